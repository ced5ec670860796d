package cfront_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/simulators/cfront"
)

const secret = "a secret of text"

var noon = time.Date(2026, 2, 17, 12, 0, 0, 0, time.UTC)

// stand is a bank behind a real server, whose clock stands still unless it is advanced.
type stand struct {
	*cfront.Bank
	t      *testing.T
	url    string
	client *http.Client
}

func start(t *testing.T, change func(*cfront.Options)) *stand {
	t.Helper()
	o := cfront.Options{StoreID: "store-1", Secret: secret, Now: func() time.Time { return noon }}
	if change != nil {
		change(&o)
	}
	b, err := cfront.New(o)
	require.NoError(t, err)
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { require.NoError(t, b.Close()) }) // before the server, which waits for its connections
	return &stand{Bank: b, t: t, url: server.URL, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// both runs a test in each generation.
func both(t *testing.T, test func(s *stand)) {
	for _, profile := range []cfront.Profile{cfront.OldGeneration, cfront.NewGeneration} {
		t.Run(string(profile), func(t *testing.T) {
			s := start(t, nil)
			s.set(func(c *cfront.Settings) { c.Profile = profile })
			test(s)
		})
	}
}

func (s *stand) set(change func(*cfront.Settings)) {
	s.t.Helper()
	c := s.Settings()
	change(&c)
	require.NoError(s.t, s.Set(c))
}

func (s *stand) old() bool { return s.Settings().Profile == cfront.OldGeneration }

// sign is written here once more, so that the bank's own cannot be wrong alike.
func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// answer is what a call got.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) field(name string) any {
	var fields map[string]any
	_ = json.Unmarshal([]byte(a.body), &fields) // no JSON has no fields
	return fields[name]
}

func (s *stand) send(method, path, body string, header map[string]string) (answer, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader([]byte(body)))
	require.NoError(s.t, err)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

// try sends a signed call.
func (s *stand) try(call, body string) (answer, error) {
	s.t.Helper()
	return s.send(http.MethodPost, "/api/"+call, body, map[string]string{"store-id": "store-1", "signature": sign(body)})
}

// call sends a signed call that must be answered.
func (s *stand) call(call, body string) answer {
	s.t.Helper()
	a, err := s.try(call, body)
	require.NoError(s.t, err)
	return a
}

// application is the body of create, with some fields of another value.
func application(id, phone string, change map[string]string) string {
	fields := map[string]string{
		"store_order_id": `"` + id + `"`, "client_phone": `"` + phone + `"`, "total_sum": `90000.00`,
		"invoice":            `{"number":"17","date":"2026-02-17","source":"STORE"}`,
		"available_programs": `[{"type":"Рассрочка 3","available_parts_count":[3]}]`,
		"products":           `[{"name":"Телефон","count":2,"sum":45000.00}]`,
	}
	for name, value := range change {
		fields[name] = value
	}
	var pairs []string
	for name, value := range fields {
		if value != "" {
			pairs = append(pairs, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

const (
	agrees = "+77010000011"
	thinks = "+77010000012"
)

// creates makes an order and returns the body that names it.
func (s *stand) creates(id, phone string, change map[string]string) (about string) {
	s.t.Helper()
	a := s.call("order/create", application(id, phone, change))
	require.Equal(s.t, http.StatusCreated, a.status, a.body)
	return fmt.Sprintf(`{"order_id":%q}`, a.field("order_id"))
}

// agreed makes an order whose client has agreed.
func (s *stand) agreed(id string) (about string) {
	s.t.Helper()
	about = s.creates(id, agrees, nil)
	s.advances(time.Second)
	return about
}

// active makes an order that the store has confirmed.
func (s *stand) active(id string) (about string) {
	s.t.Helper()
	about = s.agreed(id)
	require.Equal(s.t, http.StatusOK, s.call("order/confirm", about).status)
	return about
}

func (s *stand) advances(d time.Duration) {
	s.t.Helper()
	require.NoError(s.t, s.Advance(d))
}

// is asserts an order's state, by its own service and in the books.
func (s *stand) is(id, about, state string) {
	s.t.Helper()
	a := s.call("order/state", about)
	require.Equal(s.t, http.StatusOK, a.status, a.body)
	require.Equal(s.t, state, fmt.Sprintf("%v/%v", a.field("state"), a.field("order_sub_state")))
	require.Contains(s.t, about, a.field("order_id"))
	o, ok := s.Order(id)
	require.True(s.t, ok)
	require.Equal(s.t, state, o.State.Main+"/"+o.State.Sub)
	require.Zero(s.t, s.Totals().Broken)
}

func TestTransport(t *testing.T) {
	s := start(t, nil)
	body := application("a", agrees, nil)
	good := map[string]string{"store-id": "store-1", "signature": sign(body)}
	for name, c := range map[string]struct {
		method, path, body string
		header             map[string]string
		status             int
	}{
		"no signature":       {"POST", "/api/order/create", body, map[string]string{"store-id": "store-1"}, 401},
		"of other bytes":     {"POST", "/api/order/create", body + " ", good, 401},
		"of another secret":  {"POST", "/api/order/create", body, map[string]string{"store-id": "store-1", "signature": sign("x")}, 401},
		"no store":           {"POST", "/api/order/create", body, map[string]string{"signature": sign(body)}, 401},
		"another store":      {"POST", "/api/order/create", body, map[string]string{"store-id": "2", "signature": sign(body)}, 401},
		"store_id":           {"POST", "/api/order/create", body, map[string]string{"store_id": "store-1", "signature": sign(body)}, 401},
		"no body":            {"POST", "/api/order/create", "", map[string]string{"store-id": "store-1", "signature": sign("")}, 401},
		"GET":                {"GET", "/api/order/create", body, good, 405},
		"no such service":    {"POST", "/api/order/created", body, good, 404},
		"no such generation": {"POST", "/api/v2/order/create", body, good, 404},
	} {
		a, err := s.send(c.method, c.path, c.body, c.header)
		require.NoError(t, err, name)
		require.Equal(t, c.status, a.status, name)
		require.NotEmpty(t, a.field("message"), name)
		require.NotEmpty(t, a.header.Get("Trace-Id"), name)
	}
	require.Empty(t, s.Orders())
	for _, r := range s.Requests("") {
		require.False(t, r.Processed)
	}
	a, err := s.send("POST", "/api/order/create", body, good)
	require.NoError(t, err)
	require.Equal(t, 201, a.status)
	require.Equal(t, sign(a.body), a.header.Get("signature"))
}

// What phone, clock and till make of an order (cfront.md 5, 8).
func TestClients(t *testing.T) {
	both(t, func(s *stand) {
		for digit, state := range []string{
			"FAIL/CLIENT_NOT_FOUND", "IN_PROCESS/WAITING_FOR_STORE_CONFIRM", "IN_PROCESS/WAITING_FOR_CLIENT", "FAIL/EXCEEDED_SUM_LIMIT",
			"IN_PROCESS/WAITING_FOR_STORE_CONFIRM", "FAIL/PAY_PARTS_ARE_NOT_ACCEPTABLE", "FAIL/NOT_ENOUGH_MONEY_FOR_INIT_DEBIT",
			"FAIL/REJECTED_BY_CLIENT", "FAIL/FRAUD_REJECTED", "FAIL/FAIL",
		} {
			id := fmt.Sprintf("receipt-%d", digit)
			about := s.creates(id, fmt.Sprintf("+7701000001%d", digit), nil)
			s.is(id, about, "IN_PROCESS/WAITING_FOR_CLIENT")
			s.advances(time.Second)
			s.is(id, about, state)
		}
	})
}

func TestTimeouts(t *testing.T) {
	both(t, func(s *stand) {
		about := s.creates("silent", thinks, nil)
		s.advances(15*time.Minute - time.Millisecond)
		s.is("silent", about, "IN_PROCESS/WAITING_FOR_CLIENT")
		s.advances(time.Millisecond)
		s.is("silent", about, "FAIL/CLIENT_PUSH_TIMEOUT")

		s.set(func(c *cfront.Settings) { c.ConfirmTimeout = 60_000 })
		about = s.agreed("slow")
		s.advances(59 * time.Second)
		s.is("slow", about, "IN_PROCESS/WAITING_FOR_STORE_CONFIRM")
		s.advances(time.Second)
		s.is("slow", about, "FAIL/CONFIRM_TIME_EXPIRED")
		require.Equal(t, 400, s.call("order/confirm", about).status)

		// Nobody looked for a long time: both things have happened all the same.
		about = s.creates("late", agrees, nil)
		s.advances(time.Hour)
		s.is("late", about, "FAIL/CONFIRM_TIME_EXPIRED")
		o, _ := s.Order("late")
		require.Equal(t, o.CreatedAt.Add(time.Second), o.AgreedAt)
	})
}

func TestOnePhase(t *testing.T) {
	both(t, func(s *stand) {
		s.set(func(c *cfront.Settings) { c.OnePhase = true })
		about := s.agreed("a")
		s.is("a", about, "SUCCESS/ACTIVE")
		require.Equal(t, 400, s.call("order/confirm", about).status)
		about = s.creates("b", thinks, nil)
		require.NoError(t, s.Approve("b"))
		s.is("b", about, "SUCCESS/ACTIVE")
	})
}

// A decision is taken once and from the right states; everything else is 400 and changes
// nothing (4.5, 4.6).
func TestDecisions(t *testing.T) {
	both(t, func(s *stand) {
		waiting := s.creates("waiting", thinks, nil)
		require.Equal(t, 400, s.call("order/confirm", waiting).status)
		s.is("waiting", waiting, "IN_PROCESS/WAITING_FOR_CLIENT")
		a := s.call("order/reject", waiting)
		require.Equal(t, "REJECTED_BY_STORE", a.field("order_sub_state"))
		s.is("waiting", waiting, "FAIL/REJECTED_BY_STORE")

		for first, state := range map[string]string{"confirm": "SUCCESS/ACTIVE", "reject": "FAIL/REJECTED_BY_STORE"} {
			about := s.agreed(first)
			a := s.call("order/"+first, about)
			require.Equal(t, 200, a.status)
			require.Equal(t, state, fmt.Sprintf("%v/%v", a.field("state"), a.field("order_sub_state")))
			for _, then := range []string{"confirm", "reject"} {
				require.Equal(t, 400, s.call("order/"+then, about).status)
			}
			s.is(first, about, state)
			o, _ := s.Order(first)
			require.Equal(t, 1, o.Confirms+o.Rejects)
		}
	})
}

func TestUnknownOrder(t *testing.T) {
	both(t, func(s *stand) {
		for _, call := range []string{
			"order/state", "order/confirm", "order/reject", "order/check/paid", "order/data", "order/info", "order/return",
			"order/guarantee/letter", "order/data/for/guarantee/letter", "v2/order/data/for/guarantee/letter",
		} {
			want := 404
			if s.old() || strings.HasSuffix(call, "letter") {
				want = 400
			}
			require.Equal(t, want, s.call(call, `{"order_id":"00000001-0000-4000-8000-000000000001","sum":1.00,"store_return_id":"r"}`).status, call)
		}
	})
}

// States that no document of ours knows stay until somebody changes them.
func TestSetState(t *testing.T) {
	s := start(t, nil)
	about := s.agreed("a")
	require.NoError(t, s.SetState("a", cfront.State{Main: "IN_PROCESS", Sub: "TESTING"}))
	s.advances(24 * time.Hour)
	s.is("a", about, "IN_PROCESS/TESTING")
	for _, state := range []cfront.State{{Main: "IN_PROCESS", Sub: "TESTING"}, {Main: "FAIL", Sub: "WAITING_FOR_CLIENT"}} {
		require.NoError(t, s.SetState("a", state))
		for _, decision := range []string{"confirm", "reject"} {
			require.Equal(t, 400, s.call("order/"+decision, about).status)
		}
	}
	require.NoError(t, s.SetState("a", cfront.State{Main: "IN_PROCESS", Sub: "WAITING_FOR_STORE_CONFIRM"}))
	require.Equal(t, 200, s.call("order/confirm", about).status)
	// From where the client can decide, time goes on.
	about = s.creates("c", thinks, nil)
	s.set(func(c *cfront.Settings) { c.ConfirmTimeout = 1000 })
	require.NoError(t, s.SetState("c", cfront.State{Main: "IN_PROCESS", Sub: "WAITING_FOR_CLIENT"}))
	require.NoError(t, s.Approve("c"))
	s.advances(time.Second)
	s.is("c", about, "FAIL/CONFIRM_TIME_EXPIRED")
	require.ErrorIs(t, s.SetState("b", cfront.State{}), cfront.ErrNoOrder)
}
