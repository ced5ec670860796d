package api_test

import (
	"database/sql"
	"encoding/csv"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"

	"tolem/reconciliation"
)

var (
	longNumber = regexp.MustCompile(`^[0-9]{12,}$`)
	amountLike = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
)

// excel saves a CSV as Excel in Russian does, in the way that its import read it: long
// numbers lose digits, decimals get a comma, empty cells at the end of a line are left out.
func excel(t *testing.T, export string) string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(export)).ReadAll()
	must(t, err)
	var saved strings.Builder
	saved.WriteString("Платежи\r\n\r\n")
	for _, row := range rows {
		for i, cell := range row {
			switch {
			case longNumber.MatchString(cell):
				row[i] = fmt.Sprintf("%c,%sE+%d", cell[0], cell[1:3], len(cell)-1)
			case amountLike.MatchString(cell):
				row[i] = strings.TrimRight(strings.TrimRight(strings.Replace(cell, ".", ",", 1), "0"), ",")
			}
		}
		saved.WriteString(strings.TrimRight(strings.Join(row, ";"), ";") + "\r\n")
	}
	saved.WriteString("Итого;;;;;;12345,6\r\n")
	return saved.String()
}

// What we export agrees with us after it went through a spreadsheet.
func TestExportSurvivesASpreadsheet(t *testing.T) {
	const n = 223
	b, path := dayBank(t, n)
	inLedger(t, path, fmt.Sprintf("UPDATE payments SET transaction_id = %d + id WHERE transaction_id IS NOT NULL", 999))
	export := string(b.status(b.get(secretViewer, dayPath), http.StatusOK).body)
	saved := excel(t, export)
	if strings.Contains(saved, ";175000000000000004") || !strings.Contains(saved, "1,75E+17") {
		t.Fatalf("nothing was destroyed: %s", saved)
	}
	windows, err := charmap.Windows1251.NewEncoder().String(saved)
	must(t, err)
	var wide []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + strings.ReplaceAll(saved, ";", "\t"))) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	for name, register := range map[string][2]string{
		"UTF-8": {saved, "text/csv"}, "windows-1251": {windows, "text/csv"}, "declared": {windows, "text/csv; charset=Windows-1251"},
		"Unicode text": {string(wide), "text/csv"}, "Unicode text, declared": {string(wide), "text/csv; charset=utf-16"},
	} {
		var result comparison
		b.status(b.compare(dayPath, register[0], map[string]string{"Content-Type": register[1]}), http.StatusOK).decode(t, &result)
		if result.Counts != (reconciliation.Counts{Match: n}) || len(result.Differences) != 0 {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

// A register whose ids a spreadsheet destroyed is rejected in one sentence, is no evidence,
// and is not kept as one.
func TestDestroyedRegisterIsRejectedInOneSentence(t *testing.T) {
	const n = 223
	b, path := dayBank(t, n)
	var short, zeros strings.Builder
	for _, register := range []*strings.Builder{&short, &zeros} {
		register.WriteString("agentTransactionId;amountTo;state\r\n")
	}
	for i := range n {
		fmt.Fprintf(&short, "1,75E+17;%d;paid\r\n", 100+i)
		fmt.Fprintf(&zeros, "%d;%d;paid\r\n", (firstID+i)/1000*1000, 100+i)
	}
	for name, register := range map[string]string{"exponents": short.String(), "zeros": zeros.String()} {
		for _, accept := range []string{"application/json", "text/csv"} {
			var p struct {
				Code  string
				Lines []struct {
					Line                  int
					Column, Code, Message string
				}
			}
			b.status(b.compare(dayPath, register, map[string]string{"Accept": accept}), http.StatusBadRequest).decode(t, &p)
			if p.Code != "invalid_request" || len(p.Lines) != 1 || p.Lines[0].Code != "destroyed" || p.Lines[0].Column != "agentTransactionId" ||
				!strings.Contains(p.Lines[0].Message, "spreadsheet") {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
	db, err := sql.Open("sqlite", "file:"+path)
	must(t, err)
	defer func() { _ = db.Close() }() // it was only read
	var kept int
	must(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM registers").Scan(&kept))
	if kept != 0 {
		t.Errorf("%d registers were kept", kept)
	}
}

// In no CSV that we write does a cell begin a formula, in whatever column a partner or a
// caller put it, and whatever separates cells for who opens it.
func TestNoCellBeginsAFormula(t *testing.T) {
	b, path := dayBank(t, 10)
	hostile := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "x;=cmd", "x\n=cmd", "＝1", "'=1"}
	for i, text := range hostile {
		inLedger(t, path, fmt.Sprintf("UPDATE payments SET service_id = '%[1]s', transaction_date = '%[1]s', status_date = '%[1]s' WHERE id = %[2]d",
			strings.ReplaceAll(text, "'", "''"), firstID+i))
	}
	export := string(b.status(b.get(secretViewer, dayPath), http.StatusOK).body)
	report := string(b.status(b.compare(dayPath, "agentTransactionId;serviceId;amountTo;state\n175000000000000004;\"=1+1\";1;paid\n7;@x;1;paid\n",
		map[string]string{"Accept": "text/csv"}), http.StatusOK).body)
	begins := regexp.MustCompile(`(^|[,;\t\r\n])[ "]*[=+\-@＝]`)
	for name, text := range map[string]string{"export": export, "report": report} {
		if at := begins.FindStringIndex(text); at != nil {
			t.Errorf("%s: %q", name, text[max(0, at[0]-40):at[1]])
		}
	}
	if strings.Contains(report, "@x") != strings.Contains(report, "'@x") || !strings.Contains(report, "'@x") {
		t.Errorf("%s", report)
	}
}
