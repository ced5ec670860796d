package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"tolem/api"
)

func marshal(t *testing.T, value any) string {
	t.Helper()
	b, err := json.Marshal(value)
	must(t, err)
	return string(b)
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for name, change := range map[string]func(*api.Options){
		"ledger":   func(o *api.Options) { o.Ledger = nil },
		"temporal": func(o *api.Options) { o.Temporal = nil },
		"centre":   func(o *api.Options) { o.Centre = nil },
		"tokens":   func(o *api.Options) { o.Tokens = func() api.Tokens { return api.Tokens{} } },
		"ladder":   func(o *api.Options) { o.Ladder.FactorMilli = 1000 },
		"timeout":  func(o *api.Options) { o.PartnerTimeout = 0 },
		"encoder":  func(o *api.Options) { o.Encode = nil },
		"location": func(o *api.Options) { o.Location = nil },
		"registry": func(o *api.Options) {
			o.Registry = prometheus.NewRegistry()
			o.Registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "tolem_payments_accepted_total", Help: "Another."}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var options api.Options
			newBank(t, func(o *api.Options) { options = *o })
			change(&options)
			if _, err := api.New(options); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestFrameworkErrorsAreProblems(t *testing.T) {
	b := newBank(t)
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/", 404, "not_found"},
		{"GET", "/v1", 404, "not_found"},
		{"GET", "/v1/payments/", 404, "not_found"},
		{"GET", "/v1/" + account, 404, "not_found"},
		{"GET", "/v1/payments/5/attempts/" + account, 404, "not_found"},
		{"DELETE", "/v1/payments/5", 405, "method_not_allowed"},
		{"PUT", "/v1/payments", 405, "method_not_allowed"},
		{"GET", "/v1/operators/lookup", 405, "method_not_allowed"},
		{"BREW", "/v1/payments", 405, "method_not_allowed"},
		{"POST", "/docs", 405, "method_not_allowed"},
	} {
		a := b.send(call{method: c.method, path: c.path, token: secretAgent})
		if p := b.status(a, c.status).problem(t); p.Code != c.code {
			t.Errorf("%s %s: %s", c.method, c.path, p.Code)
		}
		if allow := a.Header.Get("Allow"); (c.status == 405) != (allow != "") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, allow)
		}
	}
}

func TestHeadAndOptions(t *testing.T) {
	b := newBank(t)
	for _, path := range []string{"/livez", "/v1/payments", "/v1/services", "/docs", "/openapi.yaml", "/metrics"} {
		b.status(b.send(call{method: "HEAD", path: path, token: secretAgent}), http.StatusOK)
	}
	b.status(b.send(call{method: "HEAD", path: "/v1/payments"}), http.StatusUnauthorized)
	a := b.status(b.send(call{method: "OPTIONS", path: "/v1/payments"}), http.StatusNoContent)
	for _, method := range []string{"GET", "POST", "HEAD"} {
		if !strings.Contains(a.Header.Get("Allow"), method) {
			t.Errorf("Allow %q misses %s", a.Header.Get("Allow"), method)
		}
	}
}

func TestPanicIsAProblem(t *testing.T) {
	b := newBank(t)
	server := b.server.Handler().(*echo.Echo)
	server.GET("/v1/panic/:id", func(echo.Context) error { panic("of " + account) })
	server.GET("/v1/index/:id", func(c echo.Context) error { return c.String(200, []string{}[len(c.Param("id"))]) })
	for path, logs := range map[string]string{"/v1/panic/5": "panic with a string", "/v1/index/5": "index out of range"} {
		a := b.status(b.get(secretAgent, path), http.StatusInternalServerError)
		p := a.problem(t)
		if p.Code != "internal" || strings.Contains(string(a.body), "panic") {
			t.Errorf("%s", a.body)
		}
		found := false
		for _, line := range strings.Split(logged.String(), "\n") {
			found = found || (strings.Contains(line, p.Instance) && strings.Contains(line, logs) && strings.Contains(line, "level=ERROR"))
		}
		if !found {
			t.Errorf("no log line has %q and %s", logs, p.Instance)
		}
	}
}

func TestRequestID(t *testing.T) {
	b := newBank(t)
	for given, kept := range map[string]bool{
		"abc-123.X_y": true, "x": true, strings.Repeat("a", 64): true,
		strings.Repeat("a", 65): false, "a b": false, "a\"b": false, "": false, "ключ": false, "-x": false,
	} {
		a := b.send(call{method: "GET", path: "/nowhere", header: map[string]string{"X-Request-Id": given}})
		if got := a.Header.Get("X-Request-Id"); (got == given) != kept || got == "" {
			t.Errorf("%q became %q", given, got)
		}
	}
}

func TestAccessLogAndMetrics(t *testing.T) {
	b := newBank(t)
	id := b.stored("till", 1)[0].String()
	b.send(call{method: "GET", path: "/v1/payments/" + id + "?secret=" + account, token: secretAgent, header: map[string]string{"X-Request-Id": "seen-1"}})
	b.send(call{method: "BREW", path: "/" + account, token: secretAgent, header: map[string]string{"X-Request-Id": "seen-2"}})
	b.pay(simple, nil)
	lines := map[string]string{}
	for _, line := range strings.Split(logged.String(), "\n") {
		for _, seen := range []string{"seen-1", "seen-2"} {
			if strings.Contains(line, "request_id="+seen) {
				lines[seen] += line
			}
		}
	}
	for _, want := range []string{"method=GET", "route=/v1/payments/{id}", "status=400", "caller=till", "problem=invalid_parameter", "duration="} {
		if !strings.Contains(lines["seen-1"], want) {
			t.Errorf("log line %q misses %s", lines["seen-1"], want)
		}
	}
	if strings.Contains(lines["seen-1"], id) || strings.Contains(lines["seen-1"], "secret") {
		t.Errorf("log line %q tells the path or query", lines["seen-1"])
	}
	if !strings.Contains(lines["seen-2"], "method=other route=unmatched status=404") {
		t.Errorf("log line %q", lines["seen-2"])
	}
	metrics := string(b.get("", "/metrics").body)
	for _, want := range []string{
		`tolem_http_requests_total{method="GET",route="/v1/payments/{id}",status="400"} 1`,
		`tolem_http_requests_total{method="other",route="unmatched",status="404"} 1`,
		`tolem_http_request_seconds_count{method="POST",route="/v1/payments"} 1`,
		"tolem_payments_accepted_total 1",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics miss %s:\n%s", want, metrics)
		}
	}
	if leak := leaked(metrics); leak != "" {
		t.Errorf("metrics leak %s", leak)
	}
}

func TestReadyz(t *testing.T) {
	b := newBank(t)
	a := b.status(b.get("", "/readyz"), http.StatusOK)
	if string(a.body) != "ledger: ok\nschema: ok\ntemporal: ok\nserving: ok\n" {
		t.Errorf("%q", a.body)
	}
	down := newBank(t, func(o *api.Options) { o.Temporal = noTemporal(t) })
	a = down.status(down.get("", "/readyz"), http.StatusServiceUnavailable)
	if string(a.body) != "ledger: ok\nschema: ok\ntemporal: failed\nserving: ok\n" {
		t.Errorf("%q", a.body)
	}
}

// A server that leaves says so and serves on.
func TestLeave(t *testing.T) {
	b := newBank(t)
	b.server.Leave()
	a := b.status(b.get("", "/readyz"), http.StatusServiceUnavailable)
	if string(a.body) != "ledger: ok\nschema: ok\ntemporal: ok\nserving: no longer\n" {
		t.Errorf("%q", a.body)
	}
	b.status(b.get(secretViewer, "/v1/payments"), http.StatusOK)
}

// serve runs the bank's server on a port of its own.
func (b *bank) serve() (address string, ended <-chan error) {
	b.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(b.t, err)
	result := make(chan error, 1)
	go func() { result <- b.server.Serve(listener) }()
	b.t.Cleanup(func() { _ = b.server.Shutdown(context.Background()) }) // again, where the test did
	return listener.Addr().String(), result
}

func TestShutdownAnswersWhoWaits(t *testing.T) {
	b := newBank(t)
	address, ended := b.serve()
	answered := make(chan *http.Response, 1)
	go func() {
		request, _ := http.NewRequest(http.MethodPost, "http://"+address+"/v1/payments", strings.NewReader(simple))
		request.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + secretAgent}, "Idempotency-Key": {"waits"}, "Prefer": {"wait=60"}}
		response, err := (&http.Client{Timeout: time.Minute}).Do(request)
		if err != nil {
			t.Error(err)
		} else {
			_ = response.Body.Close() // its status says all
		}
		answered <- response
	}()
	b.firstPayment() // is stored, so the request waits, or is about to
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	must(t, b.server.Shutdown(ctx)) // returns when the request is answered
	must(t, <-ended)
	response := <-answered
	if response == nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("%+v", response)
	}
	_ = response.Body.Close() // read-only
}

// A caller that hangs up after sending has a payment all the same.
func TestCallerHangsUp(t *testing.T) {
	b := newBank(t)
	address, _ := b.serve()
	connection, err := net.Dial("tcp", address)
	must(t, err)
	_, err = io.WriteString(connection, "POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: hangs-up\r\nPrefer: wait=60\r\n"+
		"Authorization: Bearer "+secretAgent+"\r\nContent-Length: "+marshal(t, len(simple))+"\r\n\r\n"+simple)
	must(t, err)
	b.firstPayment()
	must(t, connection.Close())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	must(t, b.server.Shutdown(ctx))
	if n := len(b.temporal.started()); n != 1 || b.rows() != 1 {
		t.Errorf("%d starts, %d rows", n, b.rows())
	}
}

func TestOverTheWire(t *testing.T) {
	b := newBank(t)
	address, _ := b.serve()
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"header too large": {"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", 431},
		"body too large": {"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + secretAgent +
			"\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat(" ", 70000), 413},
		"endless body": {"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + secretAgent +
			"\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat(" ", 4096)+"\r\n", 17), 413},
		"batch over 64 KiB": {"POST /v1/payments/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + secretAgent +
			"\r\nIdempotency-Key: a\r\nContent-Length: 70000\r\n\r\n[" + simple + strings.Repeat(" ", 70000-2-len(simple)) + "]", 202},
		"two tokens": {"GET /v1/payments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secretAgent + "\r\nAuthorization: Bearer " + secretViewer + "\r\n\r\n", 401},
		"two keys": {"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " + secretAgent +
			"\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: " + marshal(t, len(simple)) + "\r\n\r\n" + simple, 400},
	} {
		t.Run(name, func(t *testing.T) {
			connection, err := net.Dial("tcp", address)
			must(t, err)
			defer func() { _ = connection.Close() }()                // the test is over
			go func() { _, _ = io.WriteString(connection, c.raw) }() // the server may hang up before the end
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			must(t, err)
			_ = response.Body.Close() // its status says all
			if response.StatusCode != c.status {
				t.Errorf("%d, want %d", response.StatusCode, c.status)
			}
		})
	}
}
