package operator_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tolem/cmd/tolem/operator"
	"tolem/domain"
)

// noon is when somebody looks, in these tests.
var noon = time.Date(2026, 2, 17, 12, 0, 0, 0, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What list and show print, pinned: testdata/<kind>.json are answers of the API, and
// testdata/<kind>.golden what a person sees. GOLDEN=write writes them anew; look at the
// difference before you believe it.
func TestTables(t *testing.T) {
	almaty, err := time.LoadLocation("Asia/Almaty")
	must(t, err)
	o := operator.Options{Now: func() time.Time { return noon }, Zone: almaty}
	for _, kind := range []string{"payments", "orders", "payment-orders", "incidents"} {
		t.Run(kind, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", kind+".json"))
			must(t, err)
			var answers struct {
				Processes []json.RawMessage            `json:"processes"`
				Lists     map[string][]json.RawMessage `json:"lists"`
			}
			must(t, json.Unmarshal(raw, &answers))
			got, err := operator.Shown(kind, o, answers.Processes, answers.Lists)
			must(t, err)
			golden := filepath.Join("testdata", kind+".golden")
			if os.Getenv("GOLDEN") == "write" {
				must(t, os.WriteFile(golden, []byte(got), 0o600))
			}
			want, err := os.ReadFile(golden)
			must(t, err)
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Every reason of an incident is explained.
func TestEveryReasonIsExplained(t *testing.T) {
	for _, why := range domain.OperatorReasons() {
		if operator.Explained(why) == "" {
			t.Errorf("%s has no sentence", why)
		}
	}
}

// The same command is one action within a day; anything else that was done in between,
// other words, or a day make it another one.
func TestKeys(t *testing.T) {
	hold := map[string]string{"reason": "the client calls"}
	held := `{"id":"1","action":"hold","reason":"the client calls","requestedAt":"2026-02-17T11:00:00Z","effect":"held"}`
	key := func(action string, body map[string]string, journal string, now time.Time) string {
		t.Helper()
		k, err := operator.Key("payments", "42", action, body, []byte("["+journal+"]"), now)
		must(t, err)
		return k
	}
	first := key("hold", hold, "", noon)
	for name, c := range map[string]struct {
		action, journal string
		body            map[string]string
		now             time.Time
		same            bool
	}{
		"given again":                {"hold", held, hold, noon, true},
		"no answer came":             {"hold", `{"id":"1","action":"hold","reason":"the client calls","requestedAt":"2026-02-17T11:00:00Z"}`, hold, noon, true},
		"a refused one in between":   {"hold", held + `,{"id":"2","action":"retry","reason":"x","requestedAt":"2026-02-17T11:01:00Z"}`, hold, noon, true},
		"just within a day":          {"hold", held, hold, noon.Add(23*time.Hour - time.Second), true},
		"a day later":                {"hold", held, hold, noon.Add(23 * time.Hour), false},
		"released in between":        {"hold", held + `,{"id":"2","action":"release","reason":"x","requestedAt":"2026-02-17T11:01:00Z","effect":"released"}`, hold, noon, false},
		"another reason":             {"hold", "", map[string]string{"reason": "other"}, noon, false},
		"another action":             {"retry", "", hold, noon, false},
		"something was done earlier": {"hold", `{"id":"0","action":"retry","reason":"x","requestedAt":"2026-02-16T11:01:00Z","effect":"attempted"}`, hold, noon, false},
	} {
		if got := key(c.action, c.body, c.journal, c.now); (got == first) != c.same {
			t.Errorf("%s: the key of the first is %s, and this one %s", name, first, got)
		}
	}
	later := noon.Add(24 * time.Hour)
	again := held + `,{"id":"2","action":"hold","reason":"the client calls","requestedAt":"2026-02-18T11:30:00Z","effect":"held"}`
	if key("hold", hold, held, later) != key("hold", hold, again, later) {
		t.Error("the second day's action is given again, and has another key")
	}
	if key("resolve", map[string]string{"reason": "r", "evidence": "e", "outcome": "refused"}, "", noon) ==
		key("resolve", map[string]string{"reason": "r", "evidence": "e", "outcome": "succeeded"}, "", noon) {
		t.Error("opposite outcomes have one key")
	}
}

func TestQuoted(t *testing.T) {
	for word, want := range map[string]string{
		"175000000000000042": "175000000000000042", "чек 12/7": "'чек 12/7'", "": "''", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "KD-1/2": "KD-1/2",
	} {
		if got := operator.Quoted(word); got != want {
			t.Errorf("%q is written %s, want %s", word, got, want)
		}
	}
}

// Beside a code of the last request stands what the centre said before, and to which step: 0
// to check is no word on whether it was paid.
func TestWhichStepSaidWhat(t *testing.T) {
	o := operator.Options{Now: func() time.Time { return noon }, Zone: time.UTC}
	const checked, paid = "answered check with 0 success", "of the payment itself it last said"
	for codes, want := range map[string]string{
		`"resultCode":215,"paymentCode":0`: checked, `"resultCode":202,"paymentCode":0`: checked, `"resultCode":215,"paymentCode":153`: paid + " 153",
		`"resultCode":1,"paymentCode":1`: "", `"resultCode":215`: "",
	} {
		got, err := operator.Shown("payments", o, []json.RawMessage{json.RawMessage(
			`{"id":"1","state":"paying","serviceId":"P1011","amountTo":200.00,"attempts":2,"createdAt":"2026-02-17T11:00:00Z","updatedAt":"2026-02-17T11:00:00Z",` + codes + `}`)}, nil)
		must(t, err)
		for _, sentence := range []string{checked, paid} {
			if says := strings.Contains(got, sentence); says != strings.HasPrefix(want, sentence) || !strings.Contains(got, want) {
				t.Errorf("%s: says %q is %t:\n%s", codes, sentence, says, got)
			}
		}
	}
}
