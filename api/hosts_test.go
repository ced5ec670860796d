package api_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"tolem/api"
	"tolem/api/hosts"
)

// A page of the web whose name resolves to the API's address learns nothing and does nothing
// there, with a token or without, whatever it asks for.
func TestAForeignHostIsRefused(t *testing.T) {
	listens := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	b := newBank(t, func(o *api.Options) { o.Hosts = hosts.For(listens, "tolem.bank") })
	ask := func(host string, c call) answer {
		request := b.request(c)
		request.Host = host
		return b.answer(request)
	}
	create := call{method: http.MethodPost, path: "/v1/payments", body: simple, token: secretAgent, header: map[string]string{"Idempotency-Key": "k"}}
	for _, c := range []call{
		create,
		{method: http.MethodGet, path: "/v1/payments", token: secretAgent},
		{method: http.MethodGet, path: "/v1/payments"},
		{method: http.MethodGet, path: "/metrics"},
		{method: http.MethodGet, path: "/livez"},
		{method: http.MethodGet, path: "/docs"},
		{method: http.MethodGet, path: "/openapi.yaml"},
		{method: http.MethodGet, path: "/nothing"},
		{method: http.MethodPost, path: "/callbacks/cfront/x", body: "{}"},
		{method: http.MethodPost, path: "/restapi/services/k2loan_from_eko", body: "[]", token: secretK2},
	} {
		a := ask("rebound.example:8080", c)
		if p := b.status(a, http.StatusMisdirectedRequest).problem(t); p.Code != "unknown_host" || !strings.HasSuffix(p.Detail, "add the name to API_HOSTS") {
			t.Errorf("%s %s: %+v", c.method, c.path, p)
		}
	}
	if n := b.rows(); n != 0 {
		t.Errorf("%d payments were accepted", n)
	}
	for _, host := range []string{"127.0.0.1:8080", "localhost:8080", "tolem.bank"} {
		b.status(ask(host, call{method: http.MethodGet, path: "/livez"}), http.StatusOK)
	}
	b.status(ask("tolem.bank", create), http.StatusAccepted)
}
