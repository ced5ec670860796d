package cfront_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/simulators/cfront"
)

func in(dir string) func(*cfront.Options) { return func(o *cfront.Options) { o.Dir = dir } }

// After kill -9 the books are as they were, and news on its way arrives.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	shop := newShop(t)
	s := start(t, in(dir))
	s.set(func(c *cfront.Settings) { c.Callbacks.Delay = 60_000 })
	about := s.active("a")
	require.Equal(t, 200, s.call("order/return", giveBack(about, "r", "1.00")).status)
	s.call("client/validate", `{"phone":"+77010000010"}`)
	s.creates("b", "+77010000017", shop.at("b"))
	s.advances(time.Second)
	s.script("order/state", "a", cfront.Answer{Fault: cfront.Status, Status: 500, Times: 2})
	require.Equal(t, 500, s.call("order/state", about).status)
	require.NoError(t, s.Storm(cfront.Storm{Call: "order/data", ResetBefore: 1}))
	orders, requests, totals, settings := s.Orders(), s.Requests(""), s.Totals(), s.Settings()
	require.Empty(t, s.Deliveries(""))
	// No Close: the file is as kill -9 would leave it. The first bank has no news that is due.

	s = start(t, in(dir))
	require.Equal(t, orders, s.Orders())
	for i, r := range s.Requests("") {
		require.Equal(t, requests[i].BodySHA256, r.BodySHA256)
		require.Equal(t, []any{requests[i].Status, requests[i].Processed}, []any{r.Status, r.Processed})
	}
	require.Equal(t, totals, s.Totals())
	require.Equal(t, settings, s.Settings())
	require.Equal(t, 1, s.Invitations("+77010000010"))
	require.Equal(t, 409, s.call("order/create", application("a", agrees, nil)).status)
	require.Equal(t, 500, s.call("order/state", about).status)
	s.is("a", about, "SUCCESS/ACTIVE")
	_, err := s.try("order/data", about)
	require.Error(t, err)
	s.advances(time.Minute)
	shop.hears(t, "b FAIL/REJECTED_BY_CLIENT")
	deliveries := s.tried("b", 1)
	require.NoError(t, s.Close())

	s = start(t, in(dir))
	require.Equal(t, deliveries, s.Deliveries("b"))
	s.advances(time.Hour)
	status, err := s.Redeliver("b") // so that anything else would have come by now
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Len(t, shop.list(), 2)
}

// Wherever a kill tears the journal, orders, requests and news agree.
func TestTornJournal(t *testing.T) {
	dir := t.TempDir()
	s := start(t, in(dir))
	s.set(func(c *cfront.Settings) { c.Callbacks.Delay = 3_600_000 })
	about := s.creates("a", agrees, map[string]string{"result_callback": `"http://127.0.0.1:1/"`})
	s.advances(time.Second)
	require.Equal(t, 200, s.call("order/confirm", about).status)
	require.NoError(t, s.Close())
	whole, err := os.ReadFile(filepath.Join(dir, "cfront.jsonl"))
	require.NoError(t, err)
	for n := 0; n <= len(whole); n += 7 {
		torn := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(torn, "cfront.jsonl"), whole[:n], 0o600))
		b, err := cfront.New(cfront.Options{Dir: torn, Now: func() time.Time { return noon }})
		require.NoError(t, err, "%d bytes", n)
		confirmed := slices.ContainsFunc(b.Requests("a"), func(r cfront.Request) bool { return r.Call == "order/confirm" && r.Processed })
		o, there := b.Order("a")
		created := slices.ContainsFunc(b.Requests("a"), func(r cfront.Request) bool { return r.Call == "order/create" && r.Processed })
		require.Equal(t, []bool{created, confirmed}, []bool{there, o.Confirms == 1}, "%d bytes", n)
		require.Zero(t, b.Totals().Broken)
		require.NoError(t, b.Close())
	}
}

func TestDamagedJournal(t *testing.T) {
	dir := t.TempDir()
	s := start(t, in(dir))
	s.agreed("a")
	require.NoError(t, s.Close())
	file := filepath.Join(dir, "cfront.jsonl")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(whole, []byte(`"order"`), []byte(`"order`), 1), 0o600))
	_, err = cfront.New(cfront.Options{Dir: dir})
	require.ErrorContains(t, err, "is damaged")
}

// A bank that cannot write answers nothing, and nothing has happened.
func TestClosedBank(t *testing.T) {
	s := start(t, nil)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err := s.try("order/create", application("a", agrees, nil))
	require.Error(t, err)
	require.Empty(t, s.Orders())
	require.Error(t, s.Advance(time.Second))
	require.Error(t, s.Set(s.Settings()))
}

func TestWrongOptions(t *testing.T) {
	for i, change := range []func(*cfront.Settings){
		func(c *cfront.Settings) { c.Profile = "middle" },
		func(c *cfront.Settings) { c.ClientNotFound = 500 },
		func(c *cfront.Settings) { c.PushTimeout = 0 },
		func(c *cfront.Settings) { c.MinTotal = -1 },
		func(c *cfront.Settings) { c.ValidatesPerMinute = -1 },
		func(c *cfront.Settings) { c.Callbacks.Loss = 1.1 },
		func(c *cfront.Settings) { c.Callbacks.MaxAttempts = 0 },
		func(c *cfront.Settings) { c.Callbacks.Delay = -1 },
	} {
		settings := cfront.DefaultSettings()
		change(&settings)
		_, err := cfront.New(cfront.Options{Settings: settings})
		require.Error(t, err, fmt.Sprint(i))
	}
}
