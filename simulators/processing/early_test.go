package processing_test

import (
	"os"
	"path/filepath"
	"testing"

	"tolem/simulators/processing"
)

// A journal that was written before there were thresholds, a changed catalogue
// and gates still opens, and means the same.
func TestEarlyJournalOpens(t *testing.T) {
	journal, err := os.ReadFile("testdata/early.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "processing.jsonl"), journal, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, processing.Options{Dir: dir})
	want := processing.Totals{Checked: 1, Registered: 1, Executed: 2, Refused: 1, Sum: 400_00, Requests: 5, Balance: "600.0000"}
	if got := s.Totals(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	equalJSON(t, s.call("balance", ""), `{"result":0,"resultMessage":"Успешно","agent":{"agentId":4,"agentName":"Наименование Агента",
		"balance":600.0000,"overdraft":0.0000,"notification":0.0000,"currency":"KZT"}}`)
	if got, then := s.code("pay", phone(2)), s.code("pay", phone(2)); got != 1 || then != 0 {
		t.Errorf("the script went on with %d and %d", got, then)
	}
	if got := s.code("pay", phone(5)); got != 0 {
		t.Errorf("%d", got)
	}
	if got := s.code("pay", phone(4)); got != 0 {
		t.Errorf("%d", got)
	}
	s.effects(4, 1)
}
