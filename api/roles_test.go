package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var namesARole = regexp.MustCompile(`role (agent|viewer|operator|k2)|the agent that`)

func TestRolesAndRoutes(t *testing.T) {
	b := newBank(t)
	id := b.status(b.pay(simple, nil), http.StatusAccepted).payment(t).ID
	everybody := map[string]int{secretAgent: 200, secretViewer: 200, secretOp: 200, secretBoth: 200, secretStore: 403, secretK2: 403, "nobody": 401, "": 401}
	creators := map[string]int{secretAgent: 400, secretViewer: 403, secretOp: 403, secretBoth: 400, secretStore: 403, secretK2: 403, "nobody": 401, "": 401}
	operators := map[string]int{secretAgent: 403, secretViewer: 403, secretOp: 400, secretBoth: 400, secretStore: 403, secretK2: 403, "nobody": 401, "": 401}
	watchers := map[string]int{secretAgent: 403, secretViewer: 200, secretOp: 200, secretBoth: 200, secretStore: 403, secretK2: 403, "nobody": 401, "": 401}
	choosers := map[string]int{secretAgent: 409, secretOther: 404, secretViewer: 403, secretOp: 403, secretBoth: 403, secretStore: 403, secretK2: 403, "nobody": 401, "": 401}
	cardFile := map[string]int{secretAgent: 403, secretViewer: 404, secretOp: 404, secretBoth: 404, secretStore: 403, secretK2: 404, "nobody": 401, "": 401}
	reporters := map[string]int{secretAgent: 403, secretViewer: 403, secretOp: 403, secretBoth: 403, secretStore: 403, secretK2: 200, "nobody": 401, "": 401}
	open := map[string]int{secretAgent: 200, secretViewer: 200, secretOp: 200, secretBoth: 200, secretStore: 200, secretK2: 200, "nobody": 200, "": 200}
	for _, r := range []struct {
		method, path, body string
		want               map[string]int
	}{
		{"POST", "/v1/payments", "{}", creators},
		{"POST", "/v1/payments/batch", "[]", creators},
		{"POST", "/v1/payments/" + id + "/pay", "", choosers},
		{"GET", "/v1/payments", "", everybody},
		{"GET", "/v1/payments/" + id, "", everybody},
		{"GET", "/v1/payments/" + id + "/attempts", "", everybody},
		{"GET", "/v1/payments/" + id + "/actions", "", watchers},
		{"POST", "/v1/payments/" + id + "/retry", "{}", operators},
		{"POST", "/v1/payments/" + id + "/hold", "{}", operators},
		{"POST", "/v1/payments/" + id + "/release", "{}", operators},
		{"POST", "/v1/payments/" + id + "/cancel", "{}", operators},
		{"POST", "/v1/payments/" + id + "/resolve", "{}", operators},
		{"POST", "/v1/payments/actions", "{}", operators},
		{"GET", "/v1/services", "", everybody},
		{"GET", "/v1/services/P1011", "", everybody},
		{"GET", "/v1/balance", "", everybody},
		{"GET", "/v1/balance/history", "", watchers},
		{"POST", "/v1/operators/lookup", `{"phone":"` + phone + `"}`, everybody},
		{"POST", "/restapi/services/k2loan_from_eko", "[]", reporters},
		{"POST", "/restapi/services/k2req_status_from_eko", "{}", reporters},
		{"GET", "/v1/payment-orders/KD1", "", cardFile},
		{"GET", "/v1/payment-orders/KD1/events", "", cardFile},
		{"GET", "/v1/payment-orders/KD1/attempts", "", cardFile},
		{"POST", "/v1/payment-orders/KD1/hold", "{}", operators},
		{"POST", "/v1/payment-orders/KD1/release", "{}", operators},
		{"POST", "/v1/payment-orders/KD1/retry", "{}", operators},
		{"POST", "/v1/payment-orders/KD1/close", "{}", operators},
		{"GET", "/livez", "", open},
		{"GET", "/readyz", "", open},
		{"GET", "/metrics", "", open},
		{"GET", "/openapi.yaml", "", open},
		{"GET", "/docs", "", open},
		{"GET", "/docs/swagger-ui.css", "", open},
	} {
		for token, want := range r.want {
			a := b.send(call{method: r.method, path: r.path, body: r.body, token: token})
			if a.StatusCode != want {
				t.Errorf("%s %s with %q: %d, want %d: %s", r.method, r.path, token, a.StatusCode, want, a.body)
				continue
			}
			challenge := a.Header.Get("WWW-Authenticate")
			if (want == 401) != strings.HasPrefix(challenge, "Bearer") {
				t.Errorf("%s %s with %q: WWW-Authenticate %q beside %d", r.method, r.path, token, challenge, want)
			}
			if want == 403 && !namesARole.MatchString(a.problem(t).Detail) {
				t.Errorf("403 does not name the role: %s", a.body)
			}
		}
	}
}

func TestAuthorizationHeader(t *testing.T) {
	b := newBank(t)
	for header, want := range map[string]int{
		"Bearer " + secretAgent:       200,
		"bearer " + secretAgent:       200,
		"Bearer  " + secretAgent:      200,
		"Basic " + secretAgent:        401,
		"Bearer":                      401,
		"Bearer ":                     401,
		secretAgent:                   401,
		"Bearer " + secretAgent + "x": 401,
	} {
		a := b.send(call{method: "GET", path: "/v1/payments", header: map[string]string{"Authorization": header}})
		if a.StatusCode != want {
			t.Errorf("%q: %d, want %d", header, a.StatusCode, want)
		}
	}
}

func TestAnAgentSeesItsOwnPaymentsOnly(t *testing.T) {
	b := newBank(t)
	id := b.status(b.pay(simple, nil), http.StatusAccepted).payment(t).ID
	for token, want := range map[string]int{secretAgent: 200, secretOther: 404, secretViewer: 200, secretBoth: 200} {
		for _, path := range []string{"/v1/payments/" + id, "/v1/payments/" + id + "/attempts"} {
			if a := b.get(token, path); a.StatusCode != want {
				t.Errorf("%s with %q: %d, want %d", path, token, a.StatusCode, want)
			}
		}
		items := 1
		if want == 404 {
			items = 0
		}
		var list struct{ Items []payment }
		b.get(token, "/v1/payments").decode(t, &list)
		if len(list.Items) != items {
			t.Errorf("%q lists %d payments, want %d", token, len(list.Items), items)
		}
	}
}
