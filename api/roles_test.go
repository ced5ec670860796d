package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// promisedRoles are the contract's x-roles of every operation, "GET /v1/payments/{id}" and
// so on; nil where it asks for no token. It is the only table of who may do what that
// tests believe: an operation says one of the two, or the contract is broken.
func promisedRoles(t *testing.T) map[string][]string {
	t.Helper()
	promised := map[string][]string{}
	for path, item := range document(t).Paths.Map() {
		for method, operation := range item.Operations() {
			var named []string
			listed, _ := operation.Extensions["x-roles"].([]any)
			for _, role := range listed {
				named = append(named, fmt.Sprint(role))
			}
			open := operation.Security != nil && len(*operation.Security) == 0
			if open == (len(named) > 0) {
				t.Errorf("%s %s: want either x-roles or security: [], and not both", method, path)
			}
			promised[method+" "+path] = named
		}
	}
	return promised
}

// everyToken is a token of each role alone, of two together, none, and two that nobody has.
var everyToken = map[string][]string{
	secretAgent: {"agent"}, secretStore: {"store"}, secretK2: {"k2"}, secretViewer: {"viewer"}, secretOp: {"operator"},
	secretBoth: {"agent", "operator"}, "": nil, "nobody": nil, strings.ToUpper(secretOp): nil,
}

// Every route that the server has, HEAD included, lets in whom the contract says and
// nobody else. A route without a line in the contract fails.
func TestEveryRouteLetsInWhomTheContractSays(t *testing.T) {
	b := newBank(t)
	promised := promisedRoles(t)
	routes := b.server.Handler().(*echo.Echo).Routes()
	for _, r := range routes {
		line := strings.Replace(r.Method, http.MethodHead, http.MethodGet, 1) + " " + parameter.ReplaceAllString(r.Path, "{$1}")
		needed, known := promised[line]
		if !known {
			t.Errorf("%s is not in the contract", line)
			continue
		}
		for token, has := range everyToken {
			a := b.send(call{method: r.Method, path: parameter.ReplaceAllString(r.Path, "nothing"), body: "{}", token: token})
			b.expectEntry(line+" with "+fmt.Sprint(has)+" "+token, a, needed, has)
		}
	}
	if len(routes) < len(promised) {
		t.Errorf("%d routes for %d operations", len(routes), len(promised))
	}
}

// expectEntry checks that an answer let in, or turned away in the right words, a caller
// with some roles, where one of others is needed. Being let in ends in 200, 400, 404 and
// so on: what was sent is nonsense, on purpose.
func (b *bank) expectEntry(what string, a answer, needed, has []string) {
	b.t.Helper()
	want := 0 // in
	switch mayEnter := slices.ContainsFunc(has, func(r string) bool { return slices.Contains(needed, r) }); {
	case needed == nil || mayEnter:
	case has == nil:
		want = http.StatusUnauthorized
	default:
		want = http.StatusForbidden
	}
	turnedAway := a.StatusCode == http.StatusUnauthorized && needed != nil || a.StatusCode == http.StatusForbidden
	if turnedAway != (want != 0) || want != 0 && a.StatusCode != want {
		b.t.Errorf("%s: %d, want %d: %s", what, a.StatusCode, want, a.body)
		return
	}
	if a.StatusCode >= http.StatusInternalServerError {
		b.t.Errorf("%s: %d: %s", what, a.StatusCode, a.body)
	}
	if challenge := a.Header.Get("WWW-Authenticate"); (want == http.StatusUnauthorized) != strings.HasPrefix(challenge, "Bearer") {
		b.t.Errorf("%s: WWW-Authenticate %q beside %d", what, challenge, a.StatusCode)
	}
	if want == http.StatusForbidden && !strings.Contains(string(a.body), "this needs the role "+strings.Join(needed, " or ")+`"`) {
		b.t.Errorf("%s: 403 does not name the roles: %s", what, a.body)
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
