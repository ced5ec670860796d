package processing

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tolem/domain"
)

// golden reads one of the document's examples, or what we make of one.
func golden(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// meaning is JSON without its layout; numbers keep their literal, so that 200.00
// differs from 200.
func meaning(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func money(m domain.Money) *domain.Money { return &m }

func count(s string) *string { return &s }

// seedCheck and seedPay are the requests that the document's examples share.
func seedCheck() CheckRequest {
	return CheckRequest{
		ServiceID: "P1011", Account: "7770017711",
		AgentTransactionID: 1233355, AgentTransactionDate: "2015-02-17T16:48:37",
		AmountTo: money(200_00), AmountFrom: money(200_00),
	}
}

func seedPay() PayRequest {
	return PayRequest{
		ServiceID: "P1011", Account: "7770017711",
		AgentTransactionID: 1233355, AgentTransactionDate: "2015-02-17T16:48:37",
		AmountTo: 200_00, AmountFrom: 200_00,
	}
}

// Every request of the document: our bytes are pinned exactly, and mean what the
// document's example means.
func TestRequestsAreTheDocumentsExamples(t *testing.T) {
	identity := seedCheck()
	identity.IdentityCard, identity.FullName = "123456789", "Иванов Иван Иванович"
	extras := seedCheck()
	extras.ServiceID, extras.Account = "P1012", "0"
	extras.Extras = map[string]string{"ev_account2": "121231", "account1": "test@gmail.com"} // both spellings
	payExtras := seedPay()
	payExtras.Extras = map[string]string{"account1": "test@gmail.com", "ev_account2": "121231"}
	contract := seedPay()
	contract.Extras = map[string]string{"contractId": "000000588"}
	receipt := seedPay()
	receipt.AmountTo, receipt.AmountFrom = 450_00, 450_00
	receipt.ExtraServices = []PaidService{
		{SubServiceID: "114", Amount: 100_00, LastCount: count("11236")},
		{SubServiceID: "37", Amount: 150_00},
		{SubServiceID: "45", Amount: 200_00},
	}
	lookup := func(name, value string) func() ([]byte, error) {
		return func() ([]byte, error) { return lookupBody(name, value) }
	}
	for name, body := range map[string]func() ([]byte, error){
		"check": seedCheck().Body, "check-identity": identity.Body, "check-extras": extras.Body,
		"pay": seedPay().Body, "pay-extras": payExtras.Body, "pay-contract": contract.Body, "pay-receipt": receipt.Body,
		"service": lookup("serviceId", "P1012"), "operator": lookup("phoneNumber", "7777731414"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := body()
			if err != nil {
				t.Fatal(err)
			}
			if want := golden(t, "requests", name+".body"); string(got) != strings.TrimSuffix(string(want), "\n") {
				t.Errorf("bytes\n got %s\nwant %s", got, want)
			}
			if want := golden(t, "requests", name+".json"); !reflect.DeepEqual(meaning(t, got), meaning(t, want)) {
				t.Errorf("%s does not mean the document's %s", got, want)
			}
			for range 20 { // maps are walked in another order each time
				if again, _ := body(); !bytes.Equal(again, got) {
					t.Fatalf("another body for the same request: %s", again)
				}
			}
		})
	}
}

// Every answer of the document, read and written as we store and show it, and
// read again from there without a loss.
func TestResponsesAreTheDocumentsExamples(t *testing.T) {
	for _, name := range []string{"check", "check-international", "check-displays", "check-contracts", "check-invoice", "pay"} {
		t.Run(name, func(t *testing.T) {
			reply, err := decodeReply(golden(t, "responses", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			shows(t, reply, name)
			var stored Reply
			if err := json.Unmarshal(golden(t, "shown", name+".json"), &stored); err != nil || !reflect.DeepEqual(stored, reply) {
				t.Errorf("stored and read again: %v\n got %+v\nwant %+v", err, stored, reply)
			}
		})
	}
	for _, name := range []string{"services", "service"} {
		catalogue, err := decodeCatalogue(name, golden(t, "responses", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		shows(t, catalogue, name)
	}
	balance, _, err := decodeBalance(golden(t, "responses", "balance.json"))
	if err != nil {
		t.Fatal(err)
	}
	shows(t, balance, "balance")
	operator, err := decodeOperator(golden(t, "responses", "operator.json"))
	if err != nil {
		t.Fatal(err)
	}
	shows(t, operator, "operator")
}

// shows compares what we store and show with a golden file.
func shows(t *testing.T, v any, name string) {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSpace(string(golden(t, "shown", name+".json"))); string(b) != want {
		t.Errorf("%s shows\n%s\nwant\n%s", name, b, want)
	}
}

// The document's numbers, where they matter most.
func TestResponseValues(t *testing.T) {
	reply, err := decodeReply(golden(t, "responses", "check-invoice.json"))
	if err != nil || len(reply.Invoices) != 1 || len(reply.Invoices[0].Services) != 3 {
		t.Fatalf("%+v %v", reply, err)
	}
	power := reply.Invoices[0].Services[0].Data
	if *power.PaySum != 359_80 || *power.MinSum != 0 || !power.IsMeter || power.PrevCount != "4870.00" || power.Tariff.String() != "0.0" {
		t.Errorf("Электроэнергия: %+v", power)
	}
	reply, err = decodeReply(golden(t, "responses", "check-contracts.json"))
	if err != nil || len(reply.Contracts) != 3 || *reply.Contracts[1].Sum != 2000_00 || reply.TransactionID != 100000781233355 {
		t.Errorf("%+v %v", reply, err)
	}
	reply, err = decodeReply(golden(t, "responses", "check-international.json"))
	if err != nil || reply.Rate.String() != "0.0020833333" || reply.FinalAmount.String() != "1.75" {
		t.Errorf("%+v %v", reply, err)
	}
	balance, _, err := decodeBalance(golden(t, "responses", "balance.json"))
	if err != nil || balance.Balance.String() != "509455.9000" {
		t.Errorf("%+v %v", balance, err)
	}
}

// The document spells the list's key with a Cyrillic с; a repaired centre may not.
func TestBothSpellingsOfServices(t *testing.T) {
	cyrillic := golden(t, "responses", "services.json")
	if !bytes.Contains(cyrillic, []byte("\"servi\u0441es\"")) {
		t.Fatal("the example lost its Cyrillic с")
	}
	want, err := decodeCatalogue(opServices, cyrillic)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeCatalogue(opServices, bytes.Replace(cyrillic, []byte("\u0441es"), []byte("ces"), 1))
	if err != nil || len(got.Services) != 4 {
		t.Fatalf("%+v %v", got, err)
	}
	for i := range got.Services {
		got.Services[i].patterns, want.Services[i].patterns = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Latin %+v\nCyrillic %+v", got, want)
	}
}
