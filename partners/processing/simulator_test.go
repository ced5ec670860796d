package processing

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"tolem/domain"
	simulator "tolem/simulators/processing"
)

// simulated is a client of a simulated centre that wants our token.
func simulated(t *testing.T, timeout time.Duration) (*Client, *simulator.Centre) {
	t.Helper()
	books, err := simulator.New(simulator.Options{Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(books.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = books.Close() }) // first, so that nobody waits for a hanging answer
	return client(t, Options{URL: server.URL, Token: testToken, Timeout: timeout}), books
}

// All six calls, against a centre written from the same document by other hands.
func TestSixCallsWithTheSimulator(t *testing.T) {
	c, _ := simulated(t, 0)
	catalogue, err := c.Services(t.Context())
	if err != nil || catalogue.Broken != 0 || len(catalogue.Services) < 4 {
		t.Fatalf("%+v %v", catalogue, err)
	}
	service, err := c.Service(t.Context(), "P1012")
	if err != nil || service.Name != "Herbalife" || service.CheckInputs("1234567890", map[string]string{"account1": "1234567890"}) != nil {
		t.Errorf("%+v %v", service, err)
	}
	var refusal *Refusal
	if _, err := c.Service(t.Context(), "P9999"); !errors.As(err, &refusal) && !errors.Is(err, ErrNoService) {
		t.Errorf("an unknown service: %v", err)
	}
	operator, err := c.OperatorByPhone(t.Context(), "7777731414")
	if err != nil || operator.ServiceID != "P1011" {
		t.Errorf("%+v %v", operator, err)
	}
	before, err := c.Balance(t.Context())
	if err != nil || before.Currency != "KZT" {
		t.Fatalf("%+v %v", before, err)
	}
	check, pay := seedCheck(), seedPay()
	askSimulator(t, c, opCheck, check.Body)
	paid := askSimulator(t, c, opPay, pay.Body)
	again := askSimulator(t, c, opPay, pay.Body)
	if paid.TransactionID == 0 || again.TransactionID != paid.TransactionID || paid.TransactionDate == "" || paid.StatusDate != again.StatusDate {
		t.Errorf("paid %+v, again %+v", paid, again)
	}
	after, err := c.Balance(t.Context())
	if err != nil || after.Balance.Cmp(before.Balance) >= 0 {
		t.Errorf("the balance was %s and is %s, %v", before.Balance, after.Balance, err)
	}
}

// askSimulator wants a success that names the document's payment.
func askSimulator(t *testing.T, c *Client, operation string, build func() ([]byte, error)) Reply {
	t.Helper()
	body, err := build()
	if err != nil {
		t.Fatal(err)
	}
	reply, err := c.ask(t.Context(), operation, body)
	answer := AnswerOf(reply, err, 1233355)
	if err != nil || answer.StrangeEcho || answer.Code == nil || *answer.Code != domain.CodeSuccess {
		t.Fatalf("%s: %+v %v", operation, reply, err)
	}
	return reply
}

// What check shows, in every scheme.
func TestSchemesWithTheSimulator(t *testing.T) {
	c, _ := simulated(t, 0)
	for id, scheme := range map[domain.AgentTransactionID]struct {
		service, account string
		shows            func(Reply) bool
	}{
		1: {"P0006", "880101300123", func(r Reply) bool { return len(r.Contracts) == 3 && *r.Contracts[1].Sum == 2000_00 }},
		2: {"P0005", "1234567892", func(r Reply) bool { return len(r.Invoices) == 2 && *r.Invoices[0].Services[0].Data.MinSum == 100_00 }},
		3: {"P1030", "998901234567", func(r Reply) bool { return r.Rate != nil && r.FinalAmount != nil && r.Currency == "USD" }},
		4: {"P1040", "1234567", func(r Reply) bool { return r.Displays["fio"] != "" && len(r.Displays) == 3 }},
	} {
		request := seedCheck()
		request.ServiceID, request.Account, request.AgentTransactionID = scheme.service, scheme.account, id
		request.AmountTo, request.AmountFrom = money(840_00), money(840_00)
		body, err := request.Body()
		if err != nil {
			t.Fatal(err)
		}
		reply, err := c.Check(t.Context(), body)
		if err != nil || reply.Code != domain.CodeSuccess || reply.AgentTransactionID != id || !scheme.shows(reply) {
			t.Errorf("%s: %+v %v", scheme.service, reply, err)
		}
	}
}

// A choice that we let through is one that the centre executes, in every scheme.
func TestChoicesWithTheSimulator(t *testing.T) {
	c, books := simulated(t, 0)
	for id, scheme := range map[domain.AgentTransactionID]struct {
		service, account string
		extras           map[string]string
		choice           Choice
	}{
		1: {"P1011", "7770017711", nil, Choice{AmountTo: money(200_00)}},
		2: {"P0006", "880101300123", nil, Choice{AmountTo: money(200_00), ContractID: "000000588"}},
		3: {"P0006", "880101300121", nil, Choice{AmountTo: money(200_00), ContractID: "000000587"}},
		4: {"P0005", "1234567890", nil, Choice{ExtraServices: lines(t, "36 359.80 4875.5, 2 40.20")}},
		5: {"P0005", "1234567892", nil, Choice{ExtraServices: lines(t, "36 100.00 11236, 37 150.00")}},
		6: {"P1012", "1234567890", map[string]string{"account1": "1234567890"}, Choice{}}, // its amount is fixed
	} {
		check := seedCheck()
		check.ServiceID, check.Account, check.AgentTransactionID, check.Extras = scheme.service, scheme.account, id, scheme.extras
		check.AmountTo, check.AmountFrom = nil, nil
		check.AgentTransactionDate = beforeExpiry.Format(DateLayout)
		body, err := check.Body()
		if err != nil {
			t.Fatal(err)
		}
		reply, err := c.Check(t.Context(), body)
		if err != nil || reply.Code != domain.CodeSuccess {
			t.Fatalf("%s: %+v %v", scheme.service, reply, err)
		}
		choice, wrong := reply.CheckChoice(Requested{}, scheme.choice, beforeExpiry)
		if len(wrong) > 0 {
			t.Errorf("%s: %v", scheme.service, wrong)
			continue
		}
		pay := paidBy(choice)
		pay.ServiceID, pay.Account, pay.AgentTransactionID = scheme.service, scheme.account, id
		pay.AgentTransactionDate = check.AgentTransactionDate
		if scheme.extras != nil {
			pay.Extras = scheme.extras
		}
		if body, err = pay.Body(); err != nil {
			t.Fatal(err)
		}
		reply, err = c.Pay(t.Context(), body)
		if err != nil || reply.Code != domain.CodeSuccess || books.Effects(int64(id)) != 1 {
			t.Errorf("%s: %+v %v, %d effects", scheme.service, reply, err, books.Effects(int64(id)))
		}
	}
}

// An answer that is lost leaves the outcome unknown; asking again tells it.
func TestFaultsWithTheSimulator(t *testing.T) {
	for fault, reason := range map[simulator.Fault]string{
		simulator.LostAnswer: ReasonReset, simulator.LostAnswerMidway: ReasonTruncated, simulator.ResetBefore: ReasonReset, simulator.Hang: ReasonTimeout,
		simulator.HTML502: ReasonStatus, simulator.TruncatedJSON: ReasonNotJSON, simulator.Garbage: ReasonNotJSON, simulator.Redirect: ReasonRedirect,
		simulator.Oversize: ReasonTooLarge, simulator.Empty: ReasonNotJSON, simulator.MissingResult: ReasonNoResult, simulator.TextResult: ReasonNoResult,
	} {
		t.Run(string(fault), func(t *testing.T) {
			timeout := 10 * time.Second
			if fault == simulator.Hang {
				timeout = 200 * time.Millisecond
			}
			c, books := simulated(t, timeout)
			if err := books.Script(simulator.Script{Call: opPay, Answers: []simulator.Answer{{Fault: fault}}}); err != nil {
				t.Fatal(err)
			}
			_, err := c.Pay(t.Context(), payBody(t))
			var failure *Failure
			if !errors.As(err, &failure) || failure.Reason != reason || failure.Kind != domain.Unknown {
				t.Errorf("%v, want %s", err, reason)
			}
			askSimulator(t, c, opPay, seedPay().Body)
		})
	}
	c, books := simulated(t, 0)
	if err := books.Script(simulator.Script{Call: opPay, Answers: []simulator.Answer{{Fault: simulator.WrongEcho}, {Fault: simulator.NotUTF8}}}); err != nil {
		t.Fatal(err)
	}
	reply, err := c.Pay(t.Context(), payBody(t))
	if answer := AnswerOf(reply, err, 1233355); err != nil || !answer.StrangeEcho {
		t.Errorf("another payment's answer: %+v %v", reply, err)
	}
	askSimulator(t, c, opPay, seedPay().Body) // only the message is not UTF-8
}
