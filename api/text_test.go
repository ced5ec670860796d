package api_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"tolem/api"
	"tolem/storage/privatepostgres/postgrestest"
)

// onBothLedgers runs a test of the API over SQLite and over PostgreSQL.
func onBothLedgers(t *testing.T, test func(t *testing.T, b *bank)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, newBank(t)) })
	t.Run("postgres", func(t *testing.T) {
		test(t, newBank(t, func(o *api.Options) { o.Ledger = newLedger(t, postgrestest.ForTest(t)) }))
	})
}

// segment is one of the contract's in a path.
var segment = regexp.MustCompile(`[{]\w+[}]`)

// tokenOf is a token of one of an operation's roles; "" where it asks for none.
func tokenOf(needed []string) string {
	for token, has := range everyToken {
		if slices.ContainsFunc(has, func(r string) bool { return slices.Contains(needed, r) }) {
			return token
		}
	}
	return ""
}

// everyOperation calls do with each operation of the contract.
func everyOperation(t *testing.T, do func(method, path string, item *openapi3.PathItem, o *openapi3.Operation)) {
	t.Helper()
	for path, item := range document(t).Paths.Map() {
		for method, o := range item.Operations() {
			do(method, path, item, o)
		}
	}
}

// PostgreSQL looks up neither NUL nor what is not UTF-8, so no route takes either in its path
// or query, whatever the ledger is.
func TestPathsAndQueriesThatNoLedgerLooksUp(t *testing.T) {
	promised := promisedRoles(t)
	onBothLedgers(t, func(t *testing.T, b *bank) {
		everyOperation(t, func(method, path string, item *openapi3.PathItem, o *openapi3.Operation) {
			var inPath, names []string
			for _, p := range append(slices.Clone(item.Parameters), o.Parameters...) {
				switch p.Value.In {
				case openapi3.ParameterInPath:
					inPath = append(inPath, p.Value.Name)
				case openapi3.ParameterInQuery:
					names = append(names, p.Value.Name)
				}
			}
			token := tokenOf(promised[method+" "+path])
			for _, text := range []string{"%00", "a%00b", "%ff", "%ed%a0%80"} {
				refused := func(field, path string) {
					t.Helper()
					a := b.send(call{method: method, path: path, token: token, body: "{}"})
					if p := b.status(a, http.StatusBadRequest).problem(t); p.Code != "invalid_parameter" || said(p) != field+" text" {
						t.Errorf("%s %s: %s %s", method, path, p.Code, said(p))
					}
				}
				for _, name := range inPath {
					refused(name, segment.ReplaceAllString(strings.Replace(path, "{"+name+"}", text, 1), "1"))
				}
				plain := segment.ReplaceAllString(path, "1")
				for _, name := range names {
					refused(name, plain+"?"+name+"="+text)
				}
				refused("(not a name)", plain+"?"+text+"=1")
				refused("other", plain+"?other="+text)
			}
		})
		for _, path := range []string{"/%00", "/v1/nothing/%ff"} {
			b.status(b.get("", path), http.StatusBadRequest)
		}
	})
}

// leaves calls do for each string in a decoded JSON value, with the value in its place.
func leaves(value any, in string, do func(field string, put func(string))) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if text, ok := inner.(string); ok {
				do(strings.TrimPrefix(in+"."+name, "."), func(s string) {
					if v[name] = s; s == "" {
						v[name] = text
					}
				})
				continue
			}
			leaves(inner, strings.TrimPrefix(in+"."+name, "."), do)
		}
	case []any:
		for i, inner := range v {
			if text, ok := inner.(string); ok {
				do(fmt.Sprintf("%s[%d]", in, i), func(s string) {
					if v[i] = s; s == "" {
						v[i] = text
					}
				})
				continue
			}
			leaves(inner, fmt.Sprintf("%s[%d]", in, i), do)
		}
	}
}

// No string of any body keeps a NUL: each is refused by the name of its field, whatever the
// ledger is. The bodies are the contract's own examples.
func TestBodiesThatNoLedgerKeeps(t *testing.T) {
	promised := promisedRoles(t)
	onBothLedgers(t, func(t *testing.T, b *bank) {
		everyOperation(t, func(method, path string, _ *openapi3.PathItem, o *openapi3.Operation) {
			if o.RequestBody == nil || o.RequestBody.Value.Content["application/json"] == nil || strings.HasPrefix(path, "/callbacks/") {
				return // without JSON, or signed by the bank, whose words are kept as far as they can be
			}
			content := o.RequestBody.Value.Content["application/json"]
			examples := []any{}
			if content.Example != nil {
				examples = append(examples, content.Example)
			}
			for _, e := range content.Examples {
				examples = append(examples, e.Value.Value)
			}
			if len(examples) == 0 && content.Schema.Value.Properties != nil {
				t.Errorf("%s %s has no example of its body", method, path)
			}
			for _, example := range examples {
				var body any
				must(t, json.Unmarshal([]byte(marshal(t, example)), &body))
				leaves(body, "", func(field string, put func(string)) {
					put("a\x00b")
					a := b.send(call{method: method, path: segment.ReplaceAllString(path, "1"), token: tokenOf(promised[method+" "+path]),
						body: marshal(t, body), header: map[string]string{"Idempotency-Key": "k"}})
					put("")
					b.refusesNUL(method+" "+path, field, a)
				})
			}
		})
		if n := len(b.allCollected()); n > 0 {
			t.Errorf("%d loans were taken in", n)
		}
	})
}

// refusesNUL checks that an answer refuses a field by its name.
func (b *bank) refusesNUL(what, field string, a answer) {
	b.t.Helper()
	if strings.HasSuffix(what, "/batch") { // refuses rows
		if _, field, _ := strings.Cut(field, "."); !strings.Contains(string(a.body), `"errors":[{"field":"`+field+`"`) {
			b.t.Errorf("%s with NUL in %s: %s", what, field, a.body)
		}
		return
	}
	if a.StatusCode == http.StatusOK && strings.Contains(what, "/restapi/") {
		if last := field[strings.LastIndex(field, ".")+1:]; !strings.Contains(string(a.body), last) || strings.Contains(string(a.body), `"error_code":0`) {
			b.t.Errorf("%s with NUL in %s: %s", what, field, a.body)
		}
		return
	}
	if a.StatusCode != http.StatusBadRequest {
		b.t.Errorf("%s with NUL in %s: %d %s", what, field, a.StatusCode, a.body)
		return
	}
	p := a.problem(b.t)
	if !slices.ContainsFunc(p.Errors, func(e struct{ Field, Code, Message string }) bool { return e.Field == field }) {
		b.t.Errorf("%s with NUL in %s: %s", what, field, said(p))
	}
}

// A value that the database refuses is our mistake and not its silence: nobody is told that
// the ledger does not answer, and no log quotes the value.
func TestValuesThatTheLedgerRefuses(t *testing.T) {
	address := postgrestest.ForTest(t)
	b := newBank(t, func(o *api.Options) { o.Ledger = newLedger(t, address) })
	b.collects("KD1")
	database, err := sql.Open("pgx", address)
	must(t, err)
	defer func() { must(t, database.Close()) }()
	run := func(statement string) {
		t.Helper()
		_, err := database.ExecContext(t.Context(), statement)
		must(t, err)
	}
	run(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION USING ERRCODE = '22021', MESSAGE = 'not in UTF8: ` + fullName + `'; END $$`)
	for _, table := range []string{"payment_order_events", "collection_contracts", "instalment_orders"} {
		run("CREATE TRIGGER refuse BEFORE INSERT ON " + table + " FOR EACH ROW EXECUTE FUNCTION refuse()")
	}
	run(`ALTER TABLE payments ADD CHECK (full_name <> '` + fullName + `')`)
	for what, a := range map[string]answer{"payment": b.pay(simple, nil), "order": b.sell(instalmentOrder), "status": b.reports("KD1", "k", part)} {
		if p := b.status(a, http.StatusInternalServerError).problem(t); p.Code != "internal" {
			t.Errorf("%s: %+v", what, p)
		}
	}
	for path, body := range map[string]string{
		loansPath:  "[" + overdue("KD2") + "]",
		statusPath: `{"reference":"` + string(b.collected("KD1").OrderRef) + `","status_code":"PC1"}`,
	} {
		if said := b.toK2(path, body, http.StatusInternalServerError); !strings.Contains(said, `"error_code":7`) {
			t.Error(said)
		}
	}
}
