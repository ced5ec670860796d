package processing_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tolem/simulators/processing"
)

// sentServices are the catalogue's entries by serviceId, as services sends them.
func (s *stand) sentServices() map[string]string {
	s.t.Helper()
	var list struct {
		Services []json.RawMessage `json:"serviсes"` // Cyrillic с, U+0441
	}
	if err := json.Unmarshal([]byte(s.call("services", "")), &list); err != nil {
		s.t.Fatal(err)
	}
	sent := map[string]string{}
	for _, raw := range list.Services {
		var entry struct{ ServiceID string }
		if err := json.Unmarshal(raw, &entry); err != nil {
			s.t.Fatal(err)
		}
		sent[entry.ServiceID] = string(raw)
	}
	return sent
}

// A broken partner sends what it does not enforce, and hides what it sells.
func TestBrokenCatalogue(t *testing.T) {
	dir := t.TempDir()
	s := start(t, processing.Options{Dir: dir})
	right := s.sentServices()
	status, text := s.control("PUT", "/catalogue", `{"patterns":{"P1011.account":"((","P1012.ev_account1":"","P1012.fio":"[z-a]"},"hidden":["P1040"]}`)
	if status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	for range 2 { // before and after a restart
		sent := s.sentServices()
		for id, want := range map[string]string{
			"P1011": with(t, right["P1011"], `^\\d{10}$`, `((`),
			"P1012": with(t, with(t, right["P1012"], `"Номер заказа","regexp":"^\\d{10}$"`, `"Номер заказа","regexp":""`), `"ФИО","regexp":"^.+$"`, `"ФИО","regexp":"[z-a]"`),
			"P1030": right["P1030"],
		} {
			if sent[id] != want {
				t.Errorf("%s: %s, want %s", id, sent[id], want)
			}
			if one := s.call("service", `{"serviceId":"`+id+`"}`); !strings.Contains(one, want) {
				t.Errorf("service %s: %s", id, one)
			}
		}
		if _, there := sent["P1040"]; there || len(sent) != len(right)-1 || s.code("service", `{"serviceId":"P1040"}`) != 155 {
			t.Errorf("P1040 is not hidden among %d services", len(sent))
		}
		equalJSON(t, second(s.control("GET", "/catalogue", "")), text)
		s = start(t, processing.Options{Dir: dir})
	}
	// What is enforced and sold stays as it was.
	if got := s.code("check", with(t, phone(1), "7770017711", "777001771")); got != 4 {
		t.Errorf("a short account: %d", got)
	}
	hidden := with(t, phone(2), "P1011", "P1040")
	if got, paid := s.code("check", hidden), s.code("pay", hidden); got != 0 || paid != 0 {
		t.Errorf("a hidden service: %d, %d", got, paid)
	}
	if status, text := s.control("PUT", "/catalogue", `{}`); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	s = start(t, processing.Options{Dir: dir})
	if sent := s.sentServices(); sent["P1011"] != right["P1011"] || len(sent) != len(right) {
		t.Errorf("after the reset: %d services, %s", len(sent), sent["P1011"])
	}
}

func second(_ int, text string) string { return text }

// A catalogue of nothing is still a list, and the books keep what they were told.
func TestEverythingHidden(t *testing.T) {
	s := start(t, processing.Options{})
	var all []string
	for id := range s.sentServices() {
		all = append(all, id)
	}
	changes := processing.Catalogue{Hidden: all, Patterns: map[string]string{"P1011.account": "(("}}
	if err := s.SetCatalogue(changes); err != nil {
		t.Fatal(err)
	}
	if text := s.call("services", ""); !strings.Contains(text, "\"servi\u0441es\":[]") {
		t.Error(text)
	}
	changes.Patterns["P1011.account"], changes.Hidden[0] = "))", ""
	if now := s.Catalogue(); now.Patterns["P1011.account"] != "((" || now.Hidden[0] == "" {
		t.Errorf("the caller's changes reached the books: %+v", now)
	}
	for body, field := range map[string]string{
		`{"patterns":{"P1011.acount":"x"}}`: "patterns.P1011.acount", `{"patterns":{"P9999.account":"x"}}`: "patterns.P9999.account",
		`{"patterns":{"P1011":"x"}}`: "patterns.P1011", `{"hidden":["P1040","p1040"]}`: "hidden[1]", `{"shown":[]}`: "shown",
	} {
		if status, text := s.control("PUT", "/catalogue", body); status != 400 || !strings.Contains(text, `{"field":"`+field+`"`) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}
