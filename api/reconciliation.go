package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/reconciliation"
	"tolem/storage"
)

// Limits of reconciliation, each with its reason.
const (
	dayPage     = 2000      // payments of one read: 20 ms of the ledger, under a megabyte
	writeBuffer = 64 << 10  // bytes; what goes wrong before it is full is still a proper problem
	maxRegister = 512 << 20 // bytes; twice the register of maxRows with all our columns
	maxRows     = 2_000_000 // of a register: 96 MB of memory
	// maxComparisons at once, of one process: their registers fit into 256 MB.
	maxComparisons = 2
	// dayLimit is for a request to bring a register and to take its answer: 512 MiB
	// at 300 KiB/s. The server's own limits are for requests of 64 KiB.
	dayLimit = 30 * time.Minute
)

// mediaCSV is the media type of registers and exports.
const mediaCSV = "text/csv"

// exportDay answers GET /v1/reconciliation: the payments of one day, by
// agentTransactionDate, in the order of their ids.
func (s *Server) exportDay(c echo.Context) error {
	date, format, err := s.dayParameters(c, mediaCSV)
	if err != nil {
		return err
	}
	if c.Request().Method == http.MethodHead {
		c.Response().Header().Set(echo.HeaderContentType, contentType(format))
		return c.NoContent(http.StatusOK)
	}
	ctx, cancel := takeTime(c)
	defer cancel()
	out := streamed(c, format)
	export := exportCSV
	if format == echo.MIMEApplicationJSON {
		export = exportJSON
	}
	write, end := export(out, date)
	for row, err := range s.day(ctx, date) {
		if err != nil {
			return err
		}
		if err := write(row); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
	}
	if err := errors.Join(end(), out.Flush()); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// dayParameters reads date, and which of JSON and CSV the caller wants.
func (s *Server) dayParameters(c echo.Context, fallback string) (date, format string, err error) {
	given := parameters(c)
	date = given.Get("date")
	if !given.Has("date") {
		return "", "", badParameter("date", ruleRequired, "must be given, such as 2026-01-31")
	}
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return "", "", badParameter("date", ruleFormat, "must be a day such as 2026-01-31")
	}
	if !domain.AcceptableDay(date, time.Now().In(s.location)) {
		return "", "", badParameter("date", ruleRange, "must be "+domain.DateRule)
	}
	switch {
	case !given.Has("format"):
		return date, preferredType(c.Request().Header.Get(echo.HeaderAccept), fallback), nil
	case given.Get("format") == "json":
		return date, echo.MIMEApplicationJSON, nil
	case given.Get("format") == "csv":
		return date, mediaCSV, nil
	}
	return "", "", badParameter("format", ruleFormat, "must be json or csv")
}

// preferredType is JSON or CSV, whichever Accept prefers; the fallback when it
// names neither (RFC 9110, section 12.5.1).
func preferredType(accept, fallback string) string {
	best, quality := fallback, 0.0
	for _, text := range strings.Split(accept, ",") {
		kind, parameters, err := mime.ParseMediaType(text)
		if err != nil {
			continue
		}
		q := 1.0
		if weight, given := parameters["q"]; given {
			if q, err = strconv.ParseFloat(weight, 64); err != nil {
				continue
			}
		}
		named := map[string]string{
			echo.MIMEApplicationJSON: echo.MIMEApplicationJSON, "application/*": echo.MIMEApplicationJSON,
			mediaCSV: mediaCSV, "text/*": mediaCSV, "*/*": fallback,
		}[kind]
		if named != "" && q > quality {
			best, quality = named, q
		}
	}
	return best
}

func contentType(format string) string {
	if format == mediaCSV {
		return mediaCSV + "; charset=utf-8; header=present"
	}
	return format
}

// streamed is the answer, sent as it is written. Until its buffer is full nothing
// is sent, and an error still becomes a problem; later ones cut the connection.
func streamed(c echo.Context, format string) *bufio.Writer {
	return bufio.NewWriterSize(stream{c.Response(), contentType(format)}, writeBuffer)
}

// stream names the content's type when the content begins, and not before: a
// problem has another one.
type stream struct {
	response    *echo.Response
	contentType string
}

func (s stream) Write(b []byte) (int, error) {
	if !s.response.Committed {
		s.response.Header().Set(echo.HeaderContentType, s.contentType)
	}
	return s.response.Write(b)
}

// takeTime gives this request dayLimit instead of the server's limits. The
// context ends with it too.
func takeTime(c echo.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(dayLimit)
	control := http.NewResponseController(c.Response())
	_ = control.SetReadDeadline(end)  // a server without deadlines has none to lift; reading goes on
	_ = control.SetWriteDeadline(end) // after the body too, and its end would cancel the request
	return context.WithDeadline(c.Request().Context(), end)
}

// day is the ledger's payments of a day, read in pages. It ends after its first
// error.
func (s *Server) day(ctx context.Context, date string) iter.Seq2[storage.DayRow, error] {
	return func(yield func(storage.DayRow, error) bool) {
		for after := domain.AgentTransactionID(0); ; {
			page, err := s.dayPage(ctx, date, after)
			if err != nil {
				yield(storage.DayRow{}, err)
				return
			}
			for _, row := range page {
				if !yield(row, nil) {
					return
				}
			}
			if len(page) < dayPage {
				return
			}
			after = page[len(page)-1].ID
		}
	}
}

func (s *Server) dayPage(ctx context.Context, date string, after domain.AgentTransactionID) ([]storage.DayRow, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerLimit)
	defer cancel()
	page, err := s.ledger.Day(ctx, date, after, dayPage)
	if err != nil {
		return nil, fromLedger(err)
	}
	return page, nil
}

// exportCSV writes rows in the columns of reconciliation.Columns. What others gave is written
// as a cell that begins no formula.
func exportCSV(out *bufio.Writer, _ string) (write func(storage.DayRow) error, end func() error) {
	w := csv.NewWriter(out)               // writes into out's own buffer: there is nothing else to flush
	_ = w.Write(reconciliation.Columns()) // a bufio.Writer keeps its error for the next call
	write = func(p storage.DayRow) error {
		transaction := ""
		if p.TransactionID != nil {
			transaction = strconv.FormatInt(*p.TransactionID, 10)
		}
		return w.Write([]string{
			p.ID.String(), transaction, p.AgentTransactionDate, reconciliation.Cell(p.TransactionDate), reconciliation.Cell(p.StatusDate),
			reconciliation.Cell(p.ServiceID), amountText(p.AmountTo), amountText(p.AmountFrom), string(p.State), string(correctionOf(p)),
			reconciliation.Text(p.ID.String()), reconciliation.Text(transaction), reconciliation.Text(amountText(p.AmountTo)),
		})
	}
	return write, func() error { return nil }
}

func amountText(m *domain.Money) string {
	if m == nil {
		return ""
	}
	return m.String()
}

// dayView is a payment as an export shows it: no account, no name.
type dayView struct {
	ID                   domain.AgentTransactionID `json:"agentTransactionId"`
	TransactionID        *int64                    `json:"transactionId,omitempty,string"`
	AgentTransactionDate string                    `json:"agentTransactionDate"`
	TransactionDate      string                    `json:"transactionDate,omitempty"`
	StatusDate           string                    `json:"statusDate,omitempty"`
	ServiceID            string                    `json:"serviceId"`
	AmountTo             *domain.Money             `json:"amountTo,omitempty"`
	AmountFrom           *domain.Money             `json:"amountFrom,omitempty"`
	State                domain.State              `json:"state"`
	Correction           domain.MoneyWhere         `json:"correction,omitempty"` // against the state, by two people
}

func dayViewOf(p storage.DayRow) dayView {
	return dayView{
		p.ID, p.TransactionID, p.AgentTransactionDate, p.TransactionDate, p.StatusDate, p.ServiceID, p.AmountTo, p.AmountFrom, p.State, correctionOf(p),
	}
}

// correctionOf is where the money of a payment that has ended really is; "" where nobody
// recorded that its state is wrong.
func correctionOf(p storage.DayRow) domain.MoneyWhere {
	if p.Correction == nil || !p.State.Terminal() {
		return ""
	}
	return p.Correction.Money
}

// exportJSON writes {"date":…,"items":[…]}.
func exportJSON(out *bufio.Writer, date string) (write func(storage.DayRow) error, end func() error) {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	next := `{"date":"` + date + `","items":[` // a date needs no escapes
	write = func(p storage.DayRow) error {
		if _, err := out.WriteString(next); err != nil {
			return err
		}
		next = ","
		return encoder.Encode(dayViewOf(p))
	}
	end = func() error {
		if next != "," {
			_, _ = out.WriteString(next) // a bufio.Writer keeps its error for the next call
		}
		_, err := out.WriteString("]}\n")
		return err
	}
	return write, end
}
