package cfront_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/simulators/cfront"
)

// shop hears callbacks.
type shop struct {
	url string

	mu     sync.Mutex
	heard  []string // "store_order_id state/sub"
	status int      // that it answers; 0 = 200
	wrong  []string // what should not have come
}

func newShop(t *testing.T) *shop {
	s := &shop{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil || r.Method != http.MethodPost || r.Header.Get("signature") != sign(string(body)) || strings.Contains(string(body), "store_order_id") {
			s.wrong = append(s.wrong, string(body))
		}
		a := answer{body: string(body)}
		s.heard = append(s.heard, fmt.Sprintf("%s %v/%v", strings.TrimPrefix(r.URL.Path, "/"), a.field("state"), a.field("order_sub_state")))
		if s.status != 0 {
			w.WriteHeader(s.status)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { require.Empty(t, s.wrong) })
	s.url = server.URL
	return s
}

func (s *shop) answers(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *shop) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// hears waits for exactly these callbacks, in this order.
func (s *shop) hears(t *testing.T, want ...string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.list()) >= len(want) }, 20*time.Second, time.Millisecond, "heard %v", s)
	require.Equal(t, want, s.list())
}

// at is the field of create that names the shop's address for an order.
func (s *shop) at(id string) map[string]string {
	return map[string]string{"result_callback": `"` + s.url + "/" + id + `"`}
}

// tried waits until n attempts of an order have been made.
func (s *stand) tried(id string, n int) []cfront.Delivery {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.Deliveries(id)) >= n }, 20*time.Second, time.Millisecond, "%s: %v", id, s)
	require.Len(s.t, s.Deliveries(id), n)
	return s.Deliveries(id)
}

// marks has a later order's callback delivered: what was due before it has been begun by then.
func (s *stand) marks(shop *shop) {
	s.t.Helper()
	s.creates("mark", "+77010000092", shop.at("mark"))
	require.NoError(s.t, s.Fail("mark", "REJECTED_BY_CLIENT"))
	s.tried("mark", 1)
}

// Which states are news (cfront.md 6).
func TestNews(t *testing.T) {
	both(t, func(s *stand) {
		shop := newShop(s.t)
		about := s.creates("a", agrees, shop.at("a"))
		s.creates("b", "+77010000017", shop.at("b"))
		s.creates("quiet", "+77010000019", nil) // gave no address
		s.advances(time.Second)
		s.tried("a", 1)
		s.tried("b", 1)
		require.Equal(s.t, 200, s.call("order/confirm", about).status)
		require.Equal(s.t, 200, s.call("order/return", strings.Replace(about, "}", `,"sum":90000.00,"store_return_id":"r"}`, 1)).status)
		if s.old() {
			s.tried("a", 3)
		}
		s.marks(shop)
		status, err := s.Redeliver("a") // after which nothing else can be on its way
		require.NoError(s.t, err)
		require.Equal(s.t, 200, status)
		heard := shop.list()
		require.Contains(s.t, heard, "b FAIL/REJECTED_BY_CLIENT")
		want := []string{"a IN_PROCESS/WAITING_FOR_STORE_CONFIRM", "a SUCCESS/ACTIVE", "a SUCCESS/RETURNED", "a SUCCESS/RETURNED"}
		if !s.old() {
			want = []string{want[0], want[3]}
		}
		require.Equal(s.t, want, slices.DeleteFunc(heard, func(h string) bool { return h[0] != 'a' }))
		_, err = s.Redeliver("quiet")
		require.ErrorIs(s.t, err, cfront.ErrNoOrder)
	})
}

// Delay and repetition are of the bank's clock.
func TestCallbackClock(t *testing.T) {
	s := start(t, nil)
	shop := newShop(t)
	shop.answers(503)
	s.set(func(c *cfront.Settings) {
		c.Callbacks = cfront.Callbacks{Delay: 60_000, MaxAttempts: 3, RetryAfter: 600_000}
	})
	s.creates("a", agrees, shop.at("a"))
	s.advances(time.Second)
	s.creates("b", "+77010000017", shop.at("b"))
	require.Empty(t, s.Deliveries(""))
	s.advances(time.Minute) // of a's minute and of b's decision
	require.Equal(t, 503, s.tried("a", 1)[0].Status)
	s.advances(10*time.Minute - time.Second)
	s.set(func(c *cfront.Settings) { c.Callbacks.Delay = 0 })
	s.marks(shop)
	require.Len(t, s.Deliveries("a"), 1)
	s.advances(time.Second)
	s.tried("b", 1)
	d := s.tried("a", 2)
	require.Equal(t, 10*time.Minute, d[1].Time.Sub(d[0].Time))
	shop.answers(200)
	s.advances(10 * time.Minute)
	require.Equal(t, 200, s.tried("a", 3)[2].Status)
	s.tried("b", 2)
	s.advances(24 * time.Hour)
	shop.hears(t, shop.list()...)
	s.tried("a", 3) // answered, and there is no fourth
}

func TestCallbackNobodyAnswers(t *testing.T) {
	s := start(t, nil)
	s.set(func(c *cfront.Settings) { c.Callbacks = cfront.Callbacks{MaxAttempts: 2} })
	s.creates("a", agrees, map[string]string{"result_callback": `"http://127.0.0.1:1/"`})
	s.advances(time.Second)
	for _, d := range s.tried("a", 2) {
		require.Zero(t, d.Status)
		require.False(t, d.Lost)
	}
}

func TestCallbacksDoubledAndReordered(t *testing.T) {
	s := start(t, nil)
	shop := newShop(t)
	s.set(func(c *cfront.Settings) { c.Callbacks.Duplicate = true })
	s.creates("a", agrees, shop.at("a"))
	s.advances(time.Second)
	shop.hears(t, "a IN_PROCESS/WAITING_FOR_STORE_CONFIRM", "a IN_PROCESS/WAITING_FOR_STORE_CONFIRM")

	s.set(func(c *cfront.Settings) { c.Callbacks.Duplicate, c.Callbacks.Reorder = false, true })
	late := newShop(t)
	about := s.creates("b", agrees[:11]+"4", late.at("b"))
	s.advances(time.Second)
	require.Equal(t, 200, s.call("order/confirm", about).status)
	late.hears(t, "b SUCCESS/ACTIVE")
	s.advances(time.Second)
	late.hears(t, "b SUCCESS/ACTIVE", "b IN_PROCESS/WAITING_FOR_STORE_CONFIRM")
}

func TestCallbacksOff(t *testing.T) {
	s := start(t, nil)
	shop := newShop(t)
	s.set(func(c *cfront.Settings) { c.Callbacks.Off = true })
	s.agreed("x") // without an address
	s.creates("a", "+77010000014", shop.at("a"))
	s.advances(time.Second)
	o, _ := s.Order("a")
	require.Equal(t, "WAITING_FOR_STORE_CONFIRM", o.State.Sub)
	s.set(func(c *cfront.Settings) { c.Callbacks.Off = false })
	require.NoError(t, s.Fail("a", "REJECTED_BY_CLIENT"))
	shop.hears(t, "a FAIL/REJECTED_BY_CLIENT")
}

// What is lost follows from the seed, and differs by order.
func TestCallbackLoss(t *testing.T) {
	lost := func(seed uint64) (fates string) {
		s := start(t, nil)
		shop := newShop(t)
		s.set(func(c *cfront.Settings) { c.Callbacks = cfront.Callbacks{Loss: 0.5, Seed: seed, MaxAttempts: 3} })
		for i := range 16 {
			id := fmt.Sprintf("order-%d", i)
			s.creates(id, fmt.Sprintf("+7701000%03d7", i), shop.at(id))
		}
		s.advances(time.Second)
		heard := 0
		for i := range 16 {
			id := fmt.Sprintf("order-%d", i)
			require.Eventually(t, func() bool {
				d := s.Deliveries(id)
				return len(d) == 3 || len(d) > 0 && d[len(d)-1].Status == 200
			}, 20*time.Second, time.Millisecond)
			for _, d := range s.Deliveries(id) {
				require.Equal(t, d.Lost, d.Status == 0)
				fates += fmt.Sprint(d.Lost)
				if !d.Lost {
					heard++
				}
			}
			fates += " "
		}
		require.Len(t, shop.list(), heard)
		return fates
	}
	one := lost(1)
	require.Equal(t, one, lost(1))
	require.NotEqual(t, one, lost(2))
	require.Contains(t, one, "truefalse")
	require.Contains(t, one, " false ")
}

// Two states of one order go out one after the other, even when the first is answered late.
func TestCallbacksOfOneOrderWaitForEachOther(t *testing.T) {
	s := start(t, nil)
	arrived, release := make(chan string, 2), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a body that breaks off names no state
		arrived <- fmt.Sprint(answer{body: string(body)}.field("order_sub_state"))
		<-release
	}))
	defer server.Close()
	about := s.creates("a", agrees, map[string]string{"result_callback": `"` + server.URL + `"`})
	s.advances(time.Second)
	require.Equal(t, "WAITING_FOR_STORE_CONFIRM", <-arrived)
	require.Equal(t, 200, s.call("order/confirm", about).status)
	require.Empty(t, arrived)
	close(release)
	require.Equal(t, "ACTIVE", <-arrived)
	s.tried("a", 2)
}
