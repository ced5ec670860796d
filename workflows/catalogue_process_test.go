package workflows_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"tolem/activities"
	"tolem/partners/processing"
	centre "tolem/simulators/processing"
	"tolem/storage"
	"tolem/workflows"
)

// refresh runs the workflow once, in a worker process of its own.
func (b *bank) refresh(metrics *activities.Metrics) (result activities.CatalogueResult, err error) {
	b.t.Helper()
	suite := &testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterWorkflow(workflows.Catalogue)
	activities.Register(env, &activities.Catalogue{Ledger: b.ledger, Centre: b.process().Centre, Metrics: metrics})
	env.ExecuteWorkflow(workflows.Catalogue, activities.CatalogueInput{})
	require.True(b.t, env.IsWorkflowCompleted())
	if err := env.GetWorkflowError(); err != nil {
		return result, err
	}
	require.NoError(b.t, env.GetWorkflowResult(&result))
	return result, nil
}

// kept is the ledger's copy, as it is and as it is read.
func (b *bank) kept() (storage.Catalogue, processing.Catalogue) {
	b.t.Helper()
	stored, err := b.ledger.Catalogue(b.t.Context(), processing.Partner, time.Time{})
	require.NoError(b.t, err)
	var list processing.Catalogue
	require.NoError(b.t, json.Unmarshal([]byte(stored.Content), &list))
	return stored, list
}

// tells puts a centre in the bank's that answers services with the entries.
func (b *bank) tells(entries ...string) {
	b.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"result":0,"resultMessage":"ok","services":[`+strings.Join(entries, ",")+`]}`) // the client has gone otherwise
	}))
	b.t.Cleanup(server.Close)
	b.url = server.URL
}

// metered are metrics and how to read one of them.
func metered(t *testing.T) (*activities.Metrics, func(name string) float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	return activities.NewMetrics(registry), func(name string) float64 {
		t.Helper()
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == name {
				return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue() // one of them is absent
			}
		}
		t.Fatalf("no metric %s", name)
		return 0
	}
}

func TestCatalogueIsRefreshed(t *testing.T) {
	b := newBank(t)
	metrics, metric := metered(t)
	result, err := b.refresh(metrics)
	require.NoError(t, err)
	stored, list := b.kept()
	told, err := b.process().Centre.Services(t.Context())
	require.NoError(t, err)
	want, err := json.Marshal(told)
	require.NoError(t, err)
	require.JSONEq(t, string(want), stored.Content)
	require.Equal(t, activities.CatalogueResult{Services: len(told.Services), Saved: true}, result)
	require.Equal(t, len(told.Services), stored.Services)
	service, ok := list.Service("P1012")
	require.True(t, ok)
	require.Len(t, service.CheckInputs("12", nil), 2)
	require.InDelta(t, float64(stored.FetchedAt.UnixMicro())/1e6, metric("tolem_catalogue_fetched_timestamp_seconds"), 1e-3)
	require.EqualValues(t, len(told.Services), metric("tolem_catalogue_services"))

	_, err = b.refresh(nil)
	require.NoError(t, err)
	again, _ := b.kept()
	require.True(t, again.FetchedAt.After(stored.FetchedAt.Time))
	require.Equal(t, stored.SHA256, again.SHA256)
}

// While the partner is down the run fails and the copy stays as it is; a short
// outage is over before the run is.
func TestCatalogueWithThePartnerDown(t *testing.T) {
	b := newBank(t)
	_, err := b.refresh(nil)
	require.NoError(t, err)
	before, _ := b.kept()

	b.centre.SetDown(true)
	asked := len(b.centre.Requests(0))
	_, err = b.refresh(nil)
	require.Error(t, err)
	after, _ := b.kept()
	require.Equal(t, before, after)
	require.Greater(t, len(b.centre.Requests(0)), asked+2, "asked again within the run")
	require.Less(t, len(b.centre.Requests(0)), asked+10)

	b.centre.SetDown(false)
	b.scripted("services", fault(centre.ResetBefore), code(7), fault(centre.Garbage))
	result, err := b.refresh(nil)
	require.NoError(t, err)
	require.True(t, result.Saved)
	after, _ = b.kept()
	require.True(t, after.FetchedAt.After(before.FetchedAt.Time))
}

// What cannot be read or compiled is counted.
func TestBrokenPartsOfACatalogueAreCounted(t *testing.T) {
	b := newBank(t)
	b.tells(`{"serviceId":"GOOD","type":0,"inputs":[{"name":"account","regexp":"^\\d+$"}]}`,
		`{"serviceId":"BAD","type":0,"inputs":[{"name":"account","regexp":"("},{"name":"ev_a","regexp":"*"},{"name":"ev_b","regexp":"^(?!x)"}]}`,
		`{"serviceId":"UNREADABLE"}`, `null`, `7`)
	metrics, metric := metered(t)
	result, err := b.refresh(metrics)
	require.NoError(t, err)
	require.Equal(t, activities.CatalogueResult{Services: 2, BrokenEntries: 3, BrokenPatterns: 2, Saved: true}, result)
	require.EqualValues(t, 2, metric("tolem_catalogue_services"))
	require.EqualValues(t, 3, metric("tolem_catalogue_broken_entries"))
	require.EqualValues(t, 2, metric("tolem_catalogue_broken_patterns"))
	stored, list := b.kept()
	require.Equal(t, 3, stored.Broken)
	require.Equal(t, 3, list.Broken)
}

// A list without services replaces none that has some; it is counted, and the
// metrics go on telling of the list that stands.
func TestAnEmptyCatalogueIsNotKept(t *testing.T) {
	b := newBank(t)
	metrics, metric := metered(t)
	_, err := b.refresh(metrics)
	require.NoError(t, err)
	before, list := b.kept()

	for _, entries := range [][]string{nil, {`{"serviceId":"UNREADABLE"}`}} {
		b.tells(entries...)
		result, err := b.refresh(metrics)
		require.NoError(t, err)
		require.Equal(t, activities.CatalogueResult{BrokenEntries: len(entries)}, result)
		after, _ := b.kept()
		require.Equal(t, before, after)
	}
	require.EqualValues(t, 2, metric("tolem_catalogue_empty_total"))
	require.EqualValues(t, len(list.Services), metric("tolem_catalogue_services"))
	require.InDelta(t, float64(before.FetchedAt.UnixMicro())/1e6, metric("tolem_catalogue_fetched_timestamp_seconds"), 1e-3)
}
