package processing

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"tolem/domain"
)

// A code other than 0 to a read-only call is a *Refusal, whose text leaves the
// centre's message out.
func TestRefusals(t *testing.T) {
	for _, code := range []domain.Code{1, 155, 300, 999} {
		c, _ := centre(t, 0, says(http.StatusOK, fmt.Sprintf(`{"result":%d,"resultMessage":"номер 7770017711"}`, code)))
		for operation, call := range calls(t) {
			if operation == opCheck || operation == opPay {
				continue
			}
			err := call(c, t.Context())
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Code != code || refusal.Operation != operation || refusal.Message != "номер 7770017711" {
				t.Errorf("%s: %#v", operation, err)
			}
			if strings.Contains(err.Error(), "777") || !strings.Contains(err.Error(), fmt.Sprint(code)) {
				t.Errorf("%v", err)
			}
		}
	}
}

// Answers with code 0 that lack what was asked for.
func TestUnreadableLookups(t *testing.T) {
	for operation, bodies := range map[string][]string{
		opServices: {`{"result":0}`, `{"result":0,"services":null}`, `{"result":0,"services":{}}`, `{"result":0,"services":"P1011"}`,
			`{"result":0,"services":[],"serviсes":[]}`, `{"result":0,"services":[],"services":[]}`, `{"result":0,"SERVICES":[]}`},
		opService: {`{"result":0}`, `{"result":0,"services":[{"serviceId":"P1011"}]}`},
		opBalance: {
			`{"result":0}`, `{"result":0,"agent":[]}`, `{"result":0,"agent":{"agentId":4,"balance":1}}`, `{"result":0,"agent":{"agentId":4,"overdraft":1}}`,
			`{"result":0,"agent":{"balance":1,"overdraft":1}}`, `{"result":0,"agent":{"agentId":"x","balance":1,"overdraft":1}}`,
			`{"result":0,"agent":{"agentId":4,"balance":"lots","overdraft":1}}`, `{"result":0,"agent":{"agentId":4,"balance":1e99,"overdraft":1}}`,
			`{"result":0,"agent":{"agentId":4,"balance":1,"balance":2,"overdraft":1}}`, `{"result":0,"agent":{"agentId":4,"Balance":2,"overdraft":1}}`,
		},
		opOperator: {`{"result":0,"serviceId":[]}`},
	} {
		for _, body := range bodies {
			c, _ := centre(t, 0, says(http.StatusOK, body))
			var failure *Failure
			if err := calls(t)[operation](c, t.Context()); !errors.As(err, &failure) || failure.Reason != ReasonBadDetails {
				t.Errorf("%s %s: %v", operation, body, err)
			}
		}
	}
}

// One service that cannot be read costs no other, and is counted.
func TestBrokenServicesAreLeftOut(t *testing.T) {
	c, err := decodeCatalogue(opServices, []byte(`{"result":0,"services":[
		{"serviceId":"good","type":"2","name":"a","fixedPayment":"true","inputs":[{"name":"account","required":1,"regexp":null}]},
		{"serviceId":5,"type":0.0,"name":["number"],"inputs":null,"displays":[{"name":"fio","title":{}}]},
		null, 7, {}, {"serviceId":"","type":0}, {"serviceId":"x"}, {"serviceId":"x","type":"simple"}, {"serviceId":"x","type":1.5},
		{"serviceId":"x","type":0,"inputs":{}}, {"serviceId":"x","type":0,"inputs":[{"required":true}]},
		{"serviceId":"x","type":0,"inputs":[{"name":"account","regexp":["^.$"]}]}, {"serviceId":"x","type":0,"fixedPayment":"maybe"},
		{"serviceId":"x","type":0,"TYPE":2,"type":2}, {"ServiceId":"x","type":0}, {"serviceId":"x","type":0,"inputs":[{"name":"account","regexp":"a","regexp":"b"}]}]}`))
	if err != nil || len(c.Services) != 2 || c.Broken != 14 || c.Dropped != "name, displays[0].title" {
		t.Fatalf("%+v %v", c, err)
	}
	if s, ok := c.Service("good"); !ok || s.Type != 2 || !s.FixedPayment || !s.Inputs[0].Required {
		t.Errorf("%+v", s)
	}
	if s, ok := c.Service("5"); !ok || s.Name != "" {
		t.Errorf("%+v", s)
	}
	if _, ok := c.Service("x"); ok {
		t.Error("a broken service is offered")
	}
	if c, err := decodeCatalogue(opServices, []byte(`{"result":0,"services":[]}`)); err != nil || c.Services == nil || len(c.Services) != 0 {
		t.Errorf("no services: %+v %v", c, err)
	}
}

// A stored catalogue comes back as it was, and compiles each pattern once.
func TestStoredCatalogue(t *testing.T) {
	was, err := decodeCatalogue(opServices, golden(t, "responses", "services.json"))
	if err != nil {
		t.Fatal(err)
	}
	was.Broken = 3
	stored, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	var is Catalogue
	if err := json.Unmarshal(stored, &is); err != nil || len(is.Services) != len(was.Services) {
		t.Fatalf("%v\n%s", err, stored)
	}
	shared := is.Services[0].patterns
	for i, s := range is.Services {
		if shared == nil || s.patterns != shared {
			t.Errorf("service %d does not share the catalogue's patterns", i)
		}
		is.Services[i].patterns, was.Services[i].patterns = nil, nil
	}
	if !reflect.DeepEqual(is, was) {
		t.Errorf("stored %s\nread %+v\nwas  %+v", stored, is, was)
	}
	var none Catalogue
	if err := json.Unmarshal([]byte(`{"services":[]}`), &none); err != nil || none.Services == nil {
		t.Errorf("no services: %+v %v", none, err)
	}
	for _, damaged := range []string{``, `null`, `{}`, `[]`, `{"services":null}`, `{"services":{}}`, `{"services":[{}]}`, `{"services":[],"broken":-1}`, `{"services":[`} {
		c := Catalogue{Broken: 5}
		if err := json.Unmarshal([]byte(damaged), &c); err == nil || c.Broken != 5 {
			t.Errorf("%q was read as %+v", damaged, c)
		}
	}
}

// service answers a list; another service in it is not ours.
func TestServiceThatIsNotOffered(t *testing.T) {
	c, _ := centre(t, 0, says(http.StatusOK, string(golden(t, "responses", "service.json"))))
	if s, err := c.Service(t.Context(), "P1012"); err != nil || s.Name != "Herbalife" {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := c.Service(t.Context(), "P9999"); !errors.Is(err, ErrNoService) {
		t.Error(err)
	}
	for _, id := range []string{"", "\xff"} {
		if _, err := c.Service(t.Context(), id); !errors.Is(err, ErrRequest) {
			t.Error(err)
		}
		if _, err := c.OperatorByPhone(t.Context(), id); !errors.Is(err, ErrRequest) {
			t.Error(err)
		}
	}
}

// "возвращается только если оператор был определен"
func TestOperatorThatIsNotKnown(t *testing.T) {
	c, _ := centre(t, 0, says(http.StatusOK, `{"result":0,"resultMessage":"ok"}`))
	if o, err := c.OperatorByPhone(t.Context(), "7000000000"); err != nil || o != (Operator{}) {
		t.Errorf("%+v %v", o, err)
	}
}

// A catalogue may be larger than any other answer.
func TestCatalogueOverOneMebibyte(t *testing.T) {
	entry := `{"serviceId":"P1011","type":0,"name":"` + strings.Repeat("ж", 500) + `"}`
	c, _ := centre(t, 0, says(http.StatusOK, `{"result":0,"services":[`+strings.Repeat(entry+",", 2999)+entry+`]}`))
	if catalogue, err := c.Services(t.Context()); err != nil || len(catalogue.Services) != 3000 {
		t.Errorf("%d services, %v", len(catalogue.Services), err)
	}
	c, _ = centre(t, 0, says(http.StatusOK, `{"result":0,"resultMessage":"`+strings.Repeat("a", 1<<20)+`"}`))
	var failure *Failure
	if _, err := c.Pay(t.Context(), payBody(t)); !errors.As(err, &failure) || failure.Reason != ReasonTooLarge {
		t.Error(err)
	}
}
