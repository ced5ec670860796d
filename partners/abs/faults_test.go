package abs

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/partners/call"
	simulator "tolem/simulators/abs"
)

const (
	testIIN      = "900101300011"
	testIBAN     = "KZ000000000000000000"
	testContract = "KD0000000001"
)

// simulated is a client of a simulated ABS.
func simulated(t *testing.T, settings simulator.Settings, change func(*Options)) (*Client, *simulator.System) {
	t.Helper()
	system, err := simulator.New(simulator.Options{Settings: settings})
	require.NoError(t, err)
	server := httptest.NewServer(system.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { require.NoError(t, system.Close()) })
	o := Options{ClientURL: server.URL + "/client", AccountsURL: server.URL + "/accounts", StatementURL: server.URL + "/statement", ScanURL: server.URL + "/scan"}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, calls := range c.calls {
			calls.CloseIdle()
		}
	})
	return c, system
}

// questions ask each service about one borrower.
var questions = map[string]func(*testing.T, *Client) (Said, error){
	opClient: func(t *testing.T, c *Client) (Said, error) {
		card, err := c.ClientCard(t.Context(), testIIN)
		return card.Said, err
	},
	opAccounts: func(t *testing.T, c *Client) (Said, error) {
		accounts, err := c.ClientAccounts(t.Context(), testIIN)
		return accounts.Said, err
	},
	opStatement: func(t *testing.T, c *Client) (Said, error) {
		statement, err := c.StatementOn(t.Context(), testIBAN, newYear)
		return statement.Said, err
	},
	opScan: func(t *testing.T, c *Client) (Said, error) {
		_, _, err := scanOf(t, c, testContract)
		return Said{}, err
	},
}

func scanOf(t *testing.T, c *Client, contract string) (Scan, string, error) {
	var file bytes.Buffer
	scan, err := c.ContractScan(t.Context(), ScanRequest{contract, newYear, testIIN}, &file)
	return scan, file.String(), err
}

func direct(t *testing.T, system *simulator.System, service string, answers ...simulator.Answer) {
	t.Helper()
	require.NoError(t, system.Script(simulator.Script{Call: service, Answers: answers}))
}

// What a whole dossier asks is answered, in both layouts of dates, and nothing was asked
// wrongly or twice.
func TestDossier(t *testing.T) {
	for _, layout := range []string{"2006-01-02", "2006.01.02"} {
		c, system := simulated(t, simulator.Settings{DateLayout: layout}, func(o *Options) { o.DateLayout = layout })
		card, err := c.ClientCard(t.Context(), testIIN)
		require.NoError(t, err)
		require.Equal(t, Card{IINBIN: testIIN, FullName: simulator.InventClient(testIIN).FullName, SectEcon: "9", Residency: "1"}, card)
		accounts, err := c.ClientAccounts(t.Context(), testIIN)
		require.NoError(t, err)
		require.Len(t, accounts.List, len(simulator.InventAccounts(testIIN)))
		for _, a := range accounts.List {
			require.Equal(t, card.FullName, a.Name)
			statement, err := c.StatementOn(t.Context(), a.IBAN, newYear)
			require.NoError(t, err)
			amount := domain.Money(simulator.InventLine(a.IBAN, newYear).Amount)
			require.Equal(t, []StatementLine{{Purpose: "Предоставление кредита по договору от 01.01.2020", Amount: amount, Currency: "KZT", Debit: true, OutBalance: amount}}, statement.Lines)
		}
		for _, contract := range []string{testContract, "ДБЗ-17/2026 &a=b"} {
			scan, file, err := scanOf(t, c, contract)
			require.NoError(t, err)
			document := system.Document(contract)
			require.Equal(t, Scan{Found: true, MediaType: document.MediaType, FileName: document.FileName, Size: int64(len(document.Content))}, scan)
			require.Equal(t, string(document.Content), file)
			require.Equal(t, simulator.Scan{Contract: contract, Asked: 1, Read: 1}, system.Scan(contract))
		}
		totals := system.Totals()
		require.Equal(t, simulator.Counts{Asked: 1, Whole: 1}, totals.Client)
		require.Equal(t, simulator.Counts{Asked: len(accounts.List), Whole: len(accounts.List)}, totals.Statement)
	}
	c, system := simulated(t, simulator.Settings{DateLayout: "2006.01.02"}, nil)
	statement, err := c.StatementOn(t.Context(), testIBAN, newYear)
	require.NoError(t, err)
	require.True(t, statement.Refused(), "a date in the other layout")
	require.Equal(t, 1, system.Totals().Statement.Malformed)
}

// ABS's own no is a result: its code and text, no accounts, no line, no scan.
func TestSaidNo(t *testing.T) {
	c, system := simulated(t, simulator.Settings{}, nil)
	for _, service := range []string{opClient, opAccounts, opStatement} {
		direct(t, system, service, simulator.Answer{Fault: simulator.Refused, ErrorCode: -17, ErrorText: "Сервис недоступен"}, simulator.Answer{Fault: simulator.Unknown})
		said, err := questions[service](t, c)
		require.NoError(t, err)
		require.Equal(t, Said{ErrorCode: -17, ErrorText: "Сервис недоступен"}, said)
		said, err = questions[service](t, c)
		require.NoError(t, err)
		require.True(t, said.Refused())
		require.Contains(t, said.ErrorText, "не найден")
	}
	direct(t, system, opAccounts, simulator.Answer{Fault: simulator.EmptyList})
	accounts, err := c.ClientAccounts(t.Context(), testIIN)
	require.NoError(t, err)
	require.Equal(t, Accounts{}, accounts)
	direct(t, system, opStatement, simulator.Answer{Fault: simulator.EmptyList})
	statement, err := c.StatementOn(t.Context(), testIBAN, newYear)
	require.NoError(t, err)
	require.Equal(t, Statement{}, statement)
	direct(t, system, opScan, simulator.Answer{Fault: simulator.Unknown})
	scan, file, err := scanOf(t, c, testContract)
	require.NoError(t, err)
	require.Equal(t, Scan{}, scan)
	require.Empty(t, file)
	require.Equal(t, simulator.Scan{Contract: testContract, Asked: 1}, system.Scan(testContract))
}

// Every other fault, at every service: a failure of its reason that names nobody, after one
// request; the next is answered.
func TestSimulatedFaults(t *testing.T) {
	personal := regexp.MustCompile(testIIN + "|" + testIBAN + "|" + testContract + "|[А-я]")
	status := func(n int) simulator.Answer {
		return simulator.Answer{Fault: simulator.Status, Status: n, Body: `{"error_text":"Примеров"}`}
	}
	for _, f := range []struct {
		answer simulator.Answer
		reason string
		scan   string // the reason of a scan; "" = the same
		status int
	}{
		{simulator.Answer{Fault: simulator.LostAnswer}, call.ReasonReset, "", 0},
		{simulator.Answer{Fault: simulator.ResetBefore}, call.ReasonReset, "", 0},
		{simulator.Answer{Fault: simulator.ResetAfter}, call.ReasonReset, "", 0},
		{simulator.Answer{Fault: simulator.LostAnswerMidway}, call.ReasonTruncated, "", 200},
		{simulator.Answer{Fault: simulator.Truncated}, ReasonBadAnswer, "-", 200},
		{simulator.Answer{Fault: simulator.Garbage}, ReasonBadAnswer, ReasonNoScan, 200},
		{simulator.Answer{Fault: simulator.HTML200}, ReasonBadAnswer, ReasonNoScan, 200},
		{simulator.Answer{Fault: simulator.Empty}, ReasonBadAnswer, ReasonNoScan, 200},
		{simulator.Answer{Fault: simulator.Oversize}, call.ReasonTooLarge, "", 200},
		{simulator.Answer{Fault: simulator.HTML502}, call.ReasonStatus, "", 502},
		{simulator.Answer{Fault: simulator.Redirect}, call.ReasonRedirect, "", 307},
		{status(500), call.ReasonStatus, "", 500}, {status(503), call.ReasonStatus, "", 503},
		{status(403), call.ReasonStatus, "", 403}, {status(429), call.ReasonStatus, "", 429},
	} {
		c, system := simulated(t, simulator.Settings{}, nil)
		for service, ask := range questions {
			reason := f.reason
			if service == opScan && f.scan != "" {
				reason = f.scan
			}
			if reason == "-" {
				continue // half a document that says it is whole: TestHalfScan
			}
			name := fmt.Sprintf("%s %s %d", service, f.answer.Fault, f.status)
			before := len(system.Requests(""))
			direct(t, system, service, f.answer)
			_, err := ask(t, c)
			var failure *call.Failure
			require.ErrorAs(t, err, &failure, name)
			require.Equal(t, []any{service, reason, domain.Unknown, f.status}, []any{failure.Operation, failure.Reason, failure.Kind, failure.Status}, name)
			for ; err != nil; err = errors.Unwrap(err) {
				require.NotRegexp(t, personal, err.Error())
			}
			require.Len(t, system.Requests(""), before+1, "%s: sent once", name)
			_, err = ask(t, c)
			require.NoError(t, err, name)
		}
	}
	c, system := simulated(t, simulator.Settings{}, nil)
	direct(t, system, opClient, simulator.Answer{Fault: simulator.Other})
	_, err := c.ClientCard(t.Context(), testIIN)
	var failure *call.Failure
	require.ErrorAs(t, err, &failure, "another client's card")
	direct(t, system, opScan, simulator.Answer{Fault: simulator.Refused, ErrorCode: 17})
	_, _, err = scanOf(t, c, testContract)
	require.ErrorAs(t, err, &failure)
	require.Equal(t, ReasonNoScan, failure.Reason, "JSON where a scan should be")
}

// Half a document that HTTP calls whole is taken as it is: the protocol has neither length
// nor digest to compare it with.
func TestHalfScan(t *testing.T) {
	c, system := simulated(t, simulator.Settings{}, nil)
	direct(t, system, opScan, simulator.Answer{Fault: simulator.Truncated})
	scan, _, err := scanOf(t, c, testContract)
	require.NoError(t, err)
	require.EqualValues(t, len(system.Document(testContract).Content)/2, scan.Size)
}

// JSON in Windows-1251 is read as broken UTF-8: the numbers come through, and every letter of
// a name is U+FFFD. No failure, as call.ReadObject does not ask for UTF-8.
func TestNotUTF8(t *testing.T) {
	c, system := simulated(t, simulator.Settings{}, nil)
	direct(t, system, opClient, simulator.Answer{Fault: simulator.NotUTF8})
	card, err := c.ClientCard(t.Context(), testIIN)
	require.NoError(t, err)
	require.Equal(t, testIIN, card.IINBIN)
	require.Regexp(t, "^[\ufffd ]+$", card.FullName)
}

// A scan just within the limit is read, a byte more is a failure.
func TestScanLimit(t *testing.T) {
	c, system := simulated(t, simulator.Settings{}, func(o *Options) { o.MaxScan = 100_000 })
	direct(t, system, opScan, simulator.Answer{Fault: simulator.Oversize, Bytes: 100_000}, simulator.Answer{Fault: simulator.Oversize, Bytes: 100_001})
	scan, _, err := scanOf(t, c, testContract)
	require.NoError(t, err)
	require.EqualValues(t, 100_000, scan.Size)
	_, _, err = scanOf(t, c, testContract)
	var failure *call.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, call.ReasonTooLarge, failure.Reason)
}

// Slow is an answer, and slower than the time-out is none.
func TestSlow(t *testing.T) {
	c, system := simulated(t, simulator.Settings{}, func(o *Options) { o.Timeout = 100 * time.Millisecond })
	for service, ask := range questions {
		direct(t, system, service, simulator.Answer{Fault: simulator.Hang})
		_, err := ask(t, c)
		var failure *call.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, call.ReasonTimeout, failure.Reason)
	}
	c, system = simulated(t, simulator.Settings{}, nil)
	for service, ask := range questions {
		direct(t, system, service, simulator.Answer{Fault: simulator.Delay, DelayMs: 1})
		_, err := ask(t, c)
		require.NoError(t, err)
	}
}

// One name, however it is spelled, of either format.
func TestSpellings(t *testing.T) {
	for _, spelling := range []simulator.Spelling{simulator.SpelledUTF8, simulator.SpelledRFC5987, simulator.SpelledWindows1251} {
		for _, format := range []string{simulator.FormatPDF, simulator.FormatTIFF} {
			c, _ := simulated(t, simulator.Settings{Spelling: spelling, Format: format}, nil)
			scan, _, err := scanOf(t, c, "Ёлка №17/я")
			require.NoError(t, err)
			require.Equal(t, "ДБЗ Ёлка №17-я."+format, scan.FileName, string(spelling))
			require.True(t, strings.HasSuffix(scan.MediaType, format))
		}
	}
}
