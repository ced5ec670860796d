package processing_test

import (
	"encoding/csv"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tolem/simulators/processing"
)

// reconciled is a centre with one payment of each kind: 1 executed, 2 refused,
// 3 registered, 4 only checked, 5 of the next day, 6 without a legible date.
func reconciled(t *testing.T, dir string) *stand {
	t.Helper()
	s := start(t, processing.Options{Dir: dir, Now: noon()})
	s.script("pay", 3, processing.Answer{Code: 1})
	for _, c := range []struct {
		call, body string
		want       int
	}{
		{"pay", with(t, phone(1), `"amountFrom":200.00`, `"amountFrom":210.50`), 0},
		{"pay", with(t, phone(2), "7770017711", "7770010000"), 5},
		{"pay", phone(3), 1},
		{"check", phone(4), 0},
		{"pay", with(t, phone(5), "02-17", "02-18"), 0},
		{"pay", with(t, phone(6), "16:48:37", "16:48:37Z"), 202},
	} {
		if got := s.code(c.call, c.body); got != c.want {
			t.Fatalf("%s: %d, want %d", c.body, got, c.want)
		}
	}
	return s
}

const theDay = `agentTransactionId,transactionId,agentTransactionDate,transactionDate,statusDate,serviceId,amountTo,amountFrom,state
1,100000780000001,2015-02-17T16:48:37,2020-10-19T12:00:00.002,2020-10-19T12:00:00.002,P1011,200.00,210.50,executed
2,100000780000002,2015-02-17T16:48:37,2020-10-19T12:00:00.004,2020-10-19T12:00:00.004,P1011,200.00,200.00,refused
3,100000780000003,2015-02-17T16:48:37,2020-10-19T12:00:00.006,,P1011,200.00,200.00,registered
`

func register(t *testing.T, c *processing.Centre, date string, d ...processing.Disturbance) string {
	t.Helper()
	var text strings.Builder
	if err := c.Register(date, &text, d...); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// «Эту дату необходимо использовать для проведения сверок»: agentTransactionDate.
func TestRegisterOfTheDay(t *testing.T) {
	dir := t.TempDir()
	s := reconciled(t, dir)
	if got := register(t, s.Centre, "2015-02-17"); got != theDay {
		t.Error(got)
	}
	if got := register(t, s.Centre, "2015-02-18"); strings.Count(got, "\n") != 2 || !strings.Contains(got, "\n5,") {
		t.Error(got)
	}
	if got := register(t, s.Centre, "2020-10-19"); strings.Count(got, "\n") != 1 {
		t.Errorf("a register by transactionDate: %s", got)
	}
	if got := register(t, start(t, processing.Options{Dir: dir}).Centre, "2015-02-17"); got != theDay {
		t.Errorf("after a restart: %s", got)
	}
	a, err := s.client.Do(s.request(t.Context(), http.MethodGet, "/control/register?date=2015-02-17", ""))
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	if kind := a.Header.Get("Content-Type"); a.StatusCode != 200 || kind != "text/csv; charset=utf-8" {
		t.Errorf("%d %s", a.StatusCode, kind)
	}
	if _, text := s.control("GET", "/register?date=2015-02-17", ""); text != theDay {
		t.Error(text)
	}
}

// Each disturbance from Go and over HTTP; the books stay as they are.
func TestDisturbedRegister(t *testing.T) {
	s := reconciled(t, "")
	lines := strings.SplitAfter(theDay, "\n")
	unknown := func(n, transaction string) string {
		return n + "," + transaction + ",2015-02-17T12:00:00,2015-02-17T12:00:00.000,2015-02-17T12:00:00.000,P1011,100.00,100.00,executed\n"
	}
	for _, c := range []struct {
		query string
		d     processing.Disturbance
		want  string
	}{
		{"&drop=1&drop=3", processing.Disturbance{Drop: []int64{1, 3}}, lines[0] + lines[2]},
		{"&repeat=2&repeat=2", processing.Disturbance{Repeat: []int64{2, 2}}, lines[0] + lines[1] + lines[2] + lines[2] + lines[2] + lines[3]},
		{"&amount=1:199.99", processing.Disturbance{Amounts: map[int64]processing.Tiyn{1: 199_99}}, with(t, theDay, "200.00,210.50", "199.99,210.50")},
		{"&unknown=99&unknown=98", processing.Disturbance{Unknown: []int64{99, 98}}, theDay + unknown("99", "100000780000000") + unknown("98", "100000779999999")},
		{"&shuffle=0", processing.Disturbance{}, theDay},
	} {
		if got := register(t, s.Centre, "2015-02-17", c.d); got != c.want {
			t.Errorf("%+v\n%s", c.d, got)
		}
		if status, got := s.control("GET", "/register?date=2015-02-17"+c.query, ""); status != 200 || got != c.want {
			t.Errorf("%s: %d\n%s", c.query, status, got)
		}
	}
	if got := register(t, s.Centre, "2015-02-17"); got != theDay {
		t.Errorf("the books were disturbed: %s", got)
	}
}

func TestRegisterWithItsColumnsShuffled(t *testing.T) {
	s := reconciled(t, "")
	_, text := s.control("GET", "/register?date=2015-02-17&shuffle=7", "")
	if again := register(t, s.Centre, "2015-02-17", processing.Disturbance{Shuffle: 7}); again != text {
		t.Errorf("one seed, two orders:\n%s%s", text, again)
	}
	shuffled, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	usual, err := csv.NewReader(strings.NewReader(theDay)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(shuffled[0], usual[0]) || len(shuffled) != len(usual) {
		t.Fatal(text)
	}
	for i, column := range usual[0] {
		j := slices.Index(shuffled[0], column)
		for n := range usual {
			if j < 0 || shuffled[n][j] != usual[n][i] {
				t.Fatalf("column %s: %s", column, text)
			}
		}
	}
}

func TestRegisterRefusals(t *testing.T) {
	s := reconciled(t, "")
	for query, field := range map[string]string{
		"":                                "date",
		"?date=17.02.2015":                "date",
		"?date=2015-02-30":                "date",
		"?date=2015-2-17":                 "date",
		"?date=2015-02-17&state=executed": "state",
		"?date=2015-02-17&shuffle=yes":    "shuffle",
		"?date=2015-02-17&drop=x":         "drop",
		"?date=2015-02-17&drop=5":         "drop", // of the next day
		"?date=2015-02-17&repeat=4":       "repeat",
		"?date=2015-02-17&amount=1":       "amount",
		"?date=2015-02-17&amount=1:5":     "amount",
		"?date=2015-02-17&amount=6:5.00":  "amount",
		"?date=2015-02-17&unknown=4":      "unknown", // is in the books
	} {
		if status, text := s.control("GET", "/register"+query, ""); status != 400 || !strings.Contains(text, `{"field":"`+field+`"`) {
			t.Errorf("%s: %d %s, want field %q", query, status, text, field)
		}
	}
	var text strings.Builder
	var field *processing.FieldError
	if err := s.Register("yesterday", &text); !errors.As(err, &field) || text.Len() > 0 {
		t.Errorf("%v, wrote %q", err, text.String())
	}
	if err := s.Register("2015-02-17", brokenPipe{}); !errors.Is(err, errPipe) {
		t.Errorf("%v", err)
	}
}

var errPipe = errors.New("the reader has gone")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }
