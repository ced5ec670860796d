package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"
)

// parameter is one of Echo's in a path.
var parameter = regexp.MustCompile(`:(\w+)`)

// Every route of the server is in the contract, and the reverse. HEAD is served
// beside every GET and is not in the contract.
func TestRoutesAreTheContract(t *testing.T) {
	b := newBank(t)
	server, ok := b.server.Handler().(*echo.Echo)
	if !ok {
		t.Fatalf("the handler is a %T", b.server.Handler())
	}
	var served, heads, promised []string
	for _, r := range server.Routes() {
		line := parameter.ReplaceAllString(r.Path, "{$1}")
		if r.Method == http.MethodHead {
			heads = append(heads, "GET "+line)
			continue
		}
		served = append(served, r.Method+" "+line)
	}
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			promised = append(promised, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(promised)
	if !slices.Equal(served, promised) {
		t.Errorf("served\n%s\npromised\n%s", strings.Join(served, "\n"), strings.Join(promised, "\n"))
	}
	for _, head := range heads {
		if !slices.Contains(served, head) {
			t.Errorf("HEAD without %s", head)
		}
	}
}

// The contract's own examples of requests are accepted by the server, and the
// contract's schema refuses what the server refuses.
func TestExamplesOfTheContract(t *testing.T) {
	b := newBank(t)
	operation := document(t).Paths.Value("/v1/payments").Post
	examples := operation.RequestBody.Value.Content["application/json"].Examples
	if len(examples) < 3 {
		t.Fatalf("%d examples", len(examples))
	}
	for name, example := range examples {
		body := marshal(t, example.Value.Value)
		a := b.pay(body, map[string]string{"Idempotency-Key": name})
		if a.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	for body, valid := range map[string]bool{
		simple:                                                                        true,
		`{"serviceId":"P1011"}`:                                                       false,
		`{"serviceId":"P1011","account":1}`:                                           false,
		strings.Replace(simple, "200.00", "0", 1):                                     false,
		strings.Replace(simple, "200.00", `"200.00"`, 1):                              true,
		strings.Replace(simple, "200.00", `"two"`, 1):                                 false,
		strings.Replace(simple, `"amountTo"`, `"foo":1,"amountTo"`, 1):                false,
		strings.Replace(simple, `"amountTo"`, `"agentTransactionId":5,"amountTo"`, 1): true,
	} {
		if err := b.promises("/v1/payments", body); (err == nil) != valid {
			t.Errorf("the contract says %v of %s", err, body)
		}
		if got := b.pay(body, nil).StatusCode; (got == http.StatusAccepted) != valid {
			t.Errorf("the server says %d of %s", got, body)
		}
	}
}

// promises is what the contract has against the body of a POST; nil when it is
// right.
func (b *bank) promises(path, body string) error {
	b.t.Helper()
	request := b.request(call{method: http.MethodPost, path: path, body: body})
	if body == "" {
		request.Header.Del("Content-Type")
	}
	route, parameters, err := b.router.FindRoute(request)
	must(b.t, err)
	return openapi3filter.ValidateRequest(b.t.Context(), &openapi3filter.RequestValidationInput{
		Request: request, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
}

// The same of people's orders. What a schema cannot say is left to the server: text
// in which a line breaks, a duration, a field that stands twice.
func TestExamplesOfOrders(t *testing.T) {
	b := newBank(t)
	b.temporal.acting(b.follows)
	examples := map[string]string{}
	for _, action := range []string{"retry", "hold", "release", "cancel", "resolve", "actions"} {
		path := "/v1/payments/{id}/" + action
		if action == "actions" {
			path = "/v1/payments/actions"
		}
		example := document(t).Paths.Value(path).Post.RequestBody.Value.Content["application/json"].Example
		id := b.flagged()
		path = strings.Replace(path, "{id}", id.String(), 1)
		if action == "cancel" {
			path = strings.Replace(path, id.String(), b.asked(plainReply, nil).String(), 1)
		}
		examples[action] = path
		body := marshal(t, example)
		if a := b.send(call{method: http.MethodPost, path: path, body: body, token: secretOp}); example == nil || a.StatusCode >= 300 || b.promises(path, body) != nil {
			t.Errorf("%s: %d %s, %s", action, a.StatusCode, a.body, body)
		}
	}
	beyond := []string{" text", " duplicate", "age format", "＆", "registerSha256 required", "registerSha256 range"}
	for name, c := range badOrders {
		if err := b.promises(examples[string(c.action)], c.body); err == nil && !containsAny(c.want, beyond) {
			t.Errorf("the contract has nothing against %s", name)
		}
	}
	for body, want := range badBulks {
		if err := b.promises(examples["actions"], body); err == nil && !containsAny(want, beyond) {
			t.Errorf("the contract has nothing against %s", body)
		}
	}
	for _, filter := range []string{
		`{"state":"paying"}`, `{"state":["paying","accepted"]}`, `{"code":-1}`, `{"service":"P1011"}`, `{"age":"PT15M"}`, `{"needs_operator":false}`,
	} {
		for _, body := range []string{retryMany(filter), `{"dryRun":true,` + retryMany(filter)[1:]} {
			if err := b.promises(examples["actions"], body); err != nil {
				t.Errorf("the contract says %v of %s", err, body)
			}
			b.bulk(body, "")
		}
	}
}

func containsAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

func TestDocsLoadNothingFromOutside(t *testing.T) {
	b := newBank(t)
	page := b.status(b.get("", "/docs"), http.StatusOK)
	html := string(page.body)
	source := regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	found := source.FindAllStringSubmatch(html, -1)
	if len(found) < 4 {
		t.Fatalf("the page loads %d files only: %s", len(found), html)
	}
	for _, f := range found {
		if !strings.HasPrefix(f[1], "/docs/") {
			t.Errorf("the page loads %s", f[1])
			continue
		}
		asset := b.status(b.get("", f[1]), http.StatusOK)
		if len(asset.body) < 100 {
			t.Errorf("%s has %d bytes", f[1], len(asset.body))
		}
	}
	if !strings.Contains(html, "/openapi.yaml") {
		t.Error("the page does not load the contract")
	}
	policy := page.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self' 'sha256-", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("policy %q misses %q", policy, part)
		}
	}
	if strings.Contains(policy, "http") || strings.Contains(policy, "unsafe-eval") {
		t.Errorf("policy %q", policy)
	}
	for _, path := range []string{"/docs/", "/docs/nothing.js", "/docs/..%2Fserver.go", "/docs/embed.go", "/docs/a/b"} {
		b.status(b.get("", path), http.StatusNotFound)
	}
	yaml := b.status(b.get("", "/openapi.yaml"), http.StatusOK)
	if !strings.HasPrefix(string(yaml.body), "openapi: 3") {
		t.Error("openapi.yaml is not the contract")
	}
}
