package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/encoding/charmap"

	"tolem/domain"
	"tolem/reconciliation"
	"tolem/storage"
)

// compareDay answers POST /v1/reconciliation: our day against the processing
// centre's register. It moves no payment. The register is read to its end before
// the ledger is asked; differences are sent as they are found.
//
// That it was compared is kept, by its digest, with those of our open payments that it
// does not contain: people may cite it when they resolve one of them. An answer that is
// whole says that this is done.
func (s *Server) compareDay(c echo.Context) error {
	date, format, err := s.dayParameters(c, echo.MIMEApplicationJSON)
	if err != nil {
		return err
	}
	decode, ok := registerCharset(c.Request().Header)
	if !ok {
		return &problem{code: unsupportedMediaType, detail: "send Content-Type: text/csv in UTF-8, UTF-16 or windows-1251, not compressed"}
	}
	select {
	case s.comparing <- struct{}{}:
		defer func() { <-s.comparing }()
	default:
		return &problem{code: reconciliationBusy, detail: "send the register again when another comparison has ended"}
	}
	ctx, cancel := takeTime(c)
	defer cancel()
	digest := sha256.New()
	register, err := readRegister(c, decode, digest)
	if err != nil {
		return err
	}
	out := streamed(c, format)
	reports := reportJSON
	if format == mediaCSV {
		reports = reportCSV
	}
	report, end := reports(out)
	var absent []domain.AgentTransactionID
	result, err := reconciliation.Compare(ctx, reconciliation.Comparison{
		Date: date, Register: register, Ours: s.rows(ctx, date), Elsewhere: s.elsewhere, Report: func(d reconciliation.Difference) error {
			if d.OpenAndAbsent() {
				absent = append(absent, d.ID)
			}
			return report(d)
		},
	})
	var bad *reconciliation.BadRegister
	switch {
	case errors.As(err, &bad):
		return badRegister(bad)
	case err != nil:
		return fmt.Errorf("compare a day: %w", err)
	}
	view := comparisonView{Date: date, Result: result, RegisterSHA256: hex.EncodeToString(digest.Sum(nil)), IgnoredColumns: register.Ignored()}
	now := time.Now()
	err = s.ledger.KeepRegister(ctx, storage.Register{
		Day: date, SHA256: view.RegisterSHA256, Entries: register.Len(), Closed: date < now.In(s.location).Format(time.DateOnly),
		Caller: callerOf(c).name, ReceivedAt: storage.At(now),
	}, absent)
	if err != nil {
		return fromLedger(err)
	}
	if err := errors.Join(end(view), out.Flush()); err != nil {
		return fmt.Errorf("write the comparison: %w", err)
	}
	return nil
}

// registerCharset is what makes text of a register in the charset that its sender declares.
// The mark of UTF-16 says itself what it is.
func registerCharset(h http.Header) (decode func(io.Reader) io.Reader, ok bool) {
	decode = func(r io.Reader) io.Reader { return r }
	kind, parameters, err := mime.ParseMediaType(h.Get(echo.HeaderContentType))
	if err == nil && kind == mediaCSV {
		switch strings.ToLower(parameters["charset"]) {
		case "utf-16":
			h = h.Clone()
			h.Set(echo.HeaderContentType, mediaCSV)
		case "windows-1251":
			h = h.Clone()
			h.Set(echo.HeaderContentType, mediaCSV)
			decode = charmap.Windows1251.NewDecoder().Reader
		}
	}
	return decode, hasType(h, mediaCSV)
}

// readRegister reads the body, and hashes it.
func readRegister(c echo.Context, decode func(io.Reader) io.Reader, digest hash.Hash) (*reconciliation.Register, error) {
	if c.Request().ContentLength > maxRegister {
		return nil, tooLongRegister() // before it is sent
	}
	body := http.MaxBytesReader(c.Response().Writer, c.Request().Body, maxRegister)
	register, err := reconciliation.ReadRegister(decode(io.TeeReader(body, digest)), reconciliation.Limits{Rows: maxRows})
	var bad *reconciliation.BadRegister
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case err == nil:
		return register, nil
	case errors.As(err, &bad):
		return nil, badRegister(bad)
	case errors.As(err, &tooLarge), errors.Is(err, reconciliation.ErrTooManyRows):
		return nil, tooLongRegister()
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, &problem{code: requestTimeout, detail: "send the whole register within " + dayLimit.String()}
	}
	return nil, &problem{code: invalidRequest, detail: "the body broke off; nothing was compared"}
}

func badRegister(bad *reconciliation.BadRegister) *problem {
	p := &problem{code: invalidRequest, detail: "lines lists the first rules that the register breaks; nothing was compared"}
	for _, b := range bad.Problems {
		p.lines = append(p.lines, lineError{b.Line, b.Column, string(b.Rule), b.Message})
	}
	return p
}

func tooLongRegister() *problem {
	return &problem{code: bodyTooLarge, detail: fmt.Sprintf("a register has at most %d rows and %d bytes", maxRows, maxRegister)}
}

// rows are our payments of a day as a comparison takes them.
func (s *Server) rows(ctx context.Context, date string) iter.Seq2[reconciliation.Row, error] {
	return func(yield func(reconciliation.Row, error) bool) {
		for row, err := range s.day(ctx, date) {
			if !yield(rowOf(row), err) {
				return
			}
		}
	}
}

// elsewhere looks payments up whatever their day.
func (s *Server) elsewhere(ctx context.Context, ids []domain.AgentTransactionID) ([]reconciliation.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	found, err := s.ledger.PaymentsByID(ctx, ids)
	if err != nil {
		return nil, fromLedger(err)
	}
	rows := make([]reconciliation.Row, len(found))
	for i, p := range found {
		rows[i] = rowOf(p)
	}
	return rows, nil
}

func rowOf(p storage.DayRow) reconciliation.Row {
	row := reconciliation.Row{
		ID: p.ID, AgentTransactionDate: p.AgentTransactionDate, ServiceID: p.ServiceID, AmountTo: p.AmountTo, State: p.State,
	}
	if p.TransactionID != nil {
		row.TransactionID = *p.TransactionID
	}
	if row.Correction = correctionOf(p); row.Correction == domain.MoneyMoved {
		if n, err := strconv.ParseInt(p.Correction.TransactionNumber, 10, 64); err == nil { // always: the API takes nothing else
			row.TransactionID = n
		}
	}
	return row
}

// reportFunc writes one difference, endFunc what follows the last one.
type (
	reportFunc = func(reconciliation.Difference) error
	endFunc    = func(comparisonView) error
)

// comparisonView is a comparison but for its differences.
type comparisonView struct {
	Date string `json:"date"`
	reconciliation.Result
	RegisterSHA256 string   `json:"registerSha256"` // of the bytes that came
	IgnoredColumns []string `json:"ignoredColumns"`
}

func marshalComparison(v comparisonView) ([]byte, error) {
	if v.IgnoredColumns == nil {
		v.IgnoredColumns = []string{}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSpace(text.Bytes()), err
}

// reportJSON writes {"differences":[…],"date":…,"counts":…}: the counts come
// last, because they are known last.
func reportJSON(out *bufio.Writer) (reportFunc, endFunc) {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	next := `{"differences":[`
	report := func(d reconciliation.Difference) error {
		_, _ = out.WriteString(next) // a bufio.Writer keeps its error for the next call
		next = ","
		return encoder.Encode(d)
	}
	end := func(v comparisonView) error {
		rest, err := marshalComparison(v)
		if err != nil {
			return err
		}
		if next != "," {
			_, _ = out.WriteString(next) // as above
		}
		_, err = fmt.Fprintf(out, "],%s\n", rest[1:]) // the object's members and its end
		return err
	}
	return report, end
}

// reportColumns are those of the differences as CSV.
var reportColumns = []string{
	"class", "kind", "line", "firstLine", "agentTransactionId",
	"hereDate", "hereTransactionId", "hereServiceId", "hereAmountTo", "hereState",
	"thereDate", "thereTransactionId", "thereServiceId", "thereAmountTo", "thereState", "hereCorrection",
	"agentTransactionIdText",
}

// reportCSV writes the differences and, as the last row, the class summary with
// the rest of the JSON answer: an answer without it broke off.
func reportCSV(out *bufio.Writer) (reportFunc, endFunc) {
	w := csv.NewWriter(out)    // writes into out's own buffer: there is nothing else to flush
	_ = w.Write(reportColumns) // a bufio.Writer keeps its error for the next call
	report := func(d reconciliation.Difference) error {
		row := []string{string(d.Class), string(d.Kind), positive(int64(d.Line)), positive(int64(d.FirstLine)), d.ID.String()}
		if h := d.Here; h != nil {
			row = append(row, h.AgentTransactionDate, positive(h.TransactionID), reconciliation.Cell(h.ServiceID), amountText(h.AmountTo), string(h.State))
		} else {
			row = append(row, "", "", "", "", "")
		}
		if t := d.There; t != nil {
			row = append(row, t.AgentTransactionDate, positive(t.TransactionID), reconciliation.Cell(t.ServiceID), amountText(t.AmountTo), t.State)
		} else {
			row = append(row, "", "", "", "", "")
		}
		correction := ""
		if d.Here != nil {
			correction = string(d.Here.Correction)
		}
		return w.Write(append(row, correction, reconciliation.Text(d.ID.String())))
	}
	end := func(v comparisonView) error {
		rest, err := marshalComparison(v)
		if err != nil {
			return err
		}
		row := make([]string, len(reportColumns))
		row[0], row[1] = "summary", string(rest)
		return w.Write(row)
	}
	return report, end
}

// positive is a number, "" for 0.
func positive(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
