package abs

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"time"

	"tolem/domain"
	"tolem/partners/call"
)

// Partner is the protocol's name in errors and in the journal.
const Partner = "abs"

// The operations, as errors and the journal name them.
const (
	opClient    = "client"
	opAccounts  = "accounts"
	opStatement = "statement"
	opScan      = "scan"
)

// maxAnswer bounds every JSON answer, in bytes: a client with a thousand accounts takes
// 200 KB.
const maxAnswer = 1 << 20

// ReasonBadAnswer is a Failure's reason beside those of every call: a 2xx answer lacks what
// it is for, or has it in another shape.
const ReasonBadAnswer = "bad_answer"

// Options say how to reach ABS.
type Options struct {
	ClientURL    string // {abs_get_cli_url}, http or https, without its query
	AccountsURL  string // {abs_get_acc_url}
	StatementURL string // {abs_get_acc_stmt_dt_url}
	ScanURL      string // {abs_get_pdf_url}
	// DateLayout is how dates are written, as package time understands it; "" is
	// 2006-01-02, the form of the document's examples. Its text says "ГГГГ.ММ.ДД":
	// 2006.01.02.
	DateLayout string
	MaxScan    int64         // bytes; 0 = 32 MiB
	Timeout    time.Duration // of a whole call; 0 = 30 s
	TLS        *tls.Config   // nil = the system's roots, TLS 1.2 or newer
}

// defaultMaxScan is a contract of some hundred scanned pages.
const defaultMaxScan = 32 << 20

// Client asks one ABS. It is safe for concurrent use.
type Client struct {
	calls   map[string]*call.Client
	layout  string
	maxScan int64
}

// New checks the options; it calls nobody. Errors name the field, never its value.
func New(o Options) (*Client, error) {
	c := &Client{calls: map[string]*call.Client{}, layout: o.DateLayout, maxScan: o.MaxScan}
	if c.layout == "" {
		c.layout = time.DateOnly
	}
	if c.maxScan == 0 {
		c.maxScan = defaultMaxScan
	}
	for _, service := range []struct{ operation, field, url string }{
		{opClient, "ClientURL", o.ClientURL}, {opAccounts, "AccountsURL", o.AccountsURL},
		{opStatement, "StatementURL", o.StatementURL}, {opScan, "ScanURL", o.ScanURL},
	} {
		calls, err := call.New(call.Options{Partner: Partner + ": " + service.field, URL: service.url, Timeout: o.Timeout, TLS: o.TLS})
		if err != nil {
			return nil, err
		}
		c.calls[service.operation] = calls
	}
	day := time.Date(2006, 11, 23, 0, 0, 0, 0, time.UTC)
	if back, err := time.Parse(c.layout, day.Format(c.layout)); err != nil || !back.Equal(day) {
		return nil, errors.New("abs: DateLayout does not write year, month and day, as 2006-01-02 does")
	}
	if c.maxScan < 0 {
		return nil, errors.New("abs: MaxScan is negative")
	}
	return c, nil
}

// Said is what ABS says of every question. The zero value is success.
type Said struct {
	ErrorCode int    // 0 is success; any other is ABS's refusal
	ErrorText string // its words, at most 500 characters; they may name people
	// Dropped names the fields that could not be read and decide nothing, with commas
	// between them.
	Dropped string `json:"-"`
}

// Refused says whether ABS refused to answer.
func (s Said) Refused() bool { return s.ErrorCode != 0 }

// Card is "информация по клиенту".
type Card struct {
	Said
	IINBIN    string
	FullName  string
	SectEcon  string // "sectecon", the sector of the economy, as ABS writes it
	Residency string // "residfl", as ABS writes it
}

// ClientCard asks for a client by IIN or BIN. A card of another client is no answer.
// Errors are *call.Failure: the read may be repeated.
func (c *Client) ClientCard(ctx context.Context, iinbin string) (Card, error) {
	return ask(ctx, c, opClient, url.Values{"iinbin": {iinbin}}, func(o *call.Reading) Card { return readCard(o, iinbin) })
}

func readCard(o *call.Reading, iinbin string) (card Card) {
	if card.Said = said(o); card.Refused() {
		return card
	}
	card.IINBIN, card.FullName = o.Word("iinbin"), o.Text("fullname")
	card.SectEcon, card.Residency = o.Shown("sectecon"), o.Shown("residfl")
	o.Must(card.IINBIN == iinbin, "iinbin")
	card.Dropped = o.Dropped()
	return card
}

// Account is one account of a client.
type Account struct {
	IBAN     string
	Name     string // "Наименование счета, обычно ФИО"
	Plan     string // ps, "План счетов по ГК"
	System   string // "КОД АБС"
	Currency string
}

// Accounts are "список счетов по клиенту", in ABS's order.
type Accounts struct {
	Said
	List []Account
}

// ClientAccounts asks for the accounts of a client. None is an answer, whether ibans is
// empty or missing. Errors as ClientCard.
func (c *Client) ClientAccounts(ctx context.Context, iinbin string) (Accounts, error) {
	return ask(ctx, c, opAccounts, url.Values{"iinbin": {iinbin}}, readAccounts)
}

func readAccounts(o *call.Reading) (accounts Accounts) {
	if accounts.Said = said(o); accounts.Refused() {
		return accounts
	}
	o.List("ibans", func(item *call.Reading) {
		accounts.List = append(accounts.List, Account{
			IBAN: item.Word("iban"), Name: item.Shown("accountName"), Plan: item.Shown("ps"),
			System: item.Shown("system"), Currency: item.Shown("cur"),
		})
	})
	accounts.Dropped = o.Dropped()
	return accounts
}

// StatementLine is one line of a statement.
type StatementLine struct {
	Purpose    string
	Amount     domain.Money
	Currency   string
	Debit      bool         // DC: "D -дебет, C - кредит"
	OutBalance domain.Money // "Исходящий остаток"; may be below zero
}

// Statement is "выписка по счету на Дату", in ABS's order; the line of the loan's disbursement
// is enough ("Достаточно вернуть 1 строку выписки по предоставлению кредита").
type Statement struct {
	Said
	Lines []StatementLine
}

// StatementOn asks for an account's statement on a day; only its date counts. No line is an
// answer, whether stmt is empty or missing. Errors as ClientCard.
func (c *Client) StatementOn(ctx context.Context, iban string, day time.Time) (Statement, error) {
	return ask(ctx, c, opStatement, url.Values{"iban": {iban}, "dt": {day.Format(c.layout)}}, readStatement)
}

func readStatement(o *call.Reading) (statement Statement) {
	if statement.Said = said(o); statement.Refused() {
		return statement
	}
	o.List("stmt", func(item *call.Reading) {
		side := item.Word("DC")
		item.Must(side == "D" || side == "C", "DC")
		statement.Lines = append(statement.Lines, StatementLine{
			Purpose: item.Shown("purpose"), Amount: item.RequiredMoney("amount"), Currency: item.Shown("cur"),
			Debit: side == "D", OutBalance: item.Money("out_bal"),
		})
	})
	statement.Dropped = o.Dropped()
	return statement
}

// ask makes one JSON call and has its object read.
func ask[Out any](ctx context.Context, c *Client, operation string, query url.Values, read func(*call.Reading) Out) (out Out, err error) {
	calls := c.calls[operation]
	answer, err := calls.Get(ctx, call.Request{Operation: operation, Query: query, Limit: maxAnswer})
	if err != nil {
		return out, err
	}
	o := call.Read(answer.UTF8())
	if read := read(o); o.OK() {
		return read, nil
	}
	return out, calls.Unreadable(operation, answer, ReasonBadAnswer, o.Field())
}

// said reads error_code, which must be there, and error_text.
func said(o *call.Reading) Said {
	code := o.Integer("error_code", 9) // the ledger holds 32 bits
	text := []rune(o.Shown("error_text"))
	return Said{ErrorCode: int(code), ErrorText: string(text[:min(len(text), maxErrorText)])}
}

// maxErrorText bounds what is kept of ABS's words, in characters.
const maxErrorText = 500
