package processing

import (
	"fmt"
	"regexp"
	"time"

	"tolem/domain"
	"tolem/partners/call"
)

// Choice is what the payer decided between check and pay. It is stored and shown
// as JSON.
type Choice struct {
	AmountTo      *domain.Money `json:"amountTo,omitempty"`
	AmountFrom    *domain.Money `json:"amountFrom,omitempty"`
	ContractID    string        `json:"contractId,omitempty"`
	ExtraServices []PaidService `json:"extraServices,omitempty"`
}

// Requested is what the payment's request had named before check.
type Requested struct {
	AmountTo, AmountFrom *domain.Money
	ContractID           string
}

// The reasons of CheckChoice, beside ProblemMissing. A reason is one of these, or
// one of these, ": " and amounts or an explanation.
const (
	ProblemAmount      = "must be above 0 and at most 999999999.99"
	ProblemNotFixed    = "is not the fixed amount that check displayed"
	ProblemFixed       = "cannot be compared with the fixed amount that check displayed, which is unreadable"
	ProblemBelowTo     = "is below amountTo"
	ProblemBelowMin    = "is below the least that the receipt takes for this line"
	ProblemAboveMax    = "is above the most that the receipt takes for this line"
	ProblemSum         = "do not add up to amountTo"
	ProblemSumTooLarge = "add up to more than 999999999.99"
	ProblemNotOffered  = "is not among those that check offered"
	ProblemNoContracts = "is not asked for, check offered no contracts"
	ProblemNoReceipt   = "are not asked for, check brought no receipt"
	ProblemLineTwice   = "is a line that is chosen already"
	ProblemExpired     = "is a line of a receipt that has expired"
	ProblemReading     = "must be a meter reading of up to 12 digits and up to 3 decimals"
	ProblemNoMeter     = "is not asked for, the line has no meter"
)

// displayFixedAmount is the display that names the only amount a payment may
// have: "fixedPayment … фиксированная сумма платежа".
const displayFixedAmount = "fixedAmount"

// MaxAmount is the largest amount the document can write; its pattern for a
// fixed amount is ^\d{1,9}\.\d{2}$.
const MaxAmount = domain.Money(999_999_999_99)

// invoiceDateLayout is that of a receipt's dates, yyyyMMddHHmmss.
const invoiceDateLayout = "20060102150405"

// meterReading is what lastCount may be. The document gives no form; its
// examples are 11236 and 4870.00.
var meterReading = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,3})?$`)

// CheckChoice completes a choice with what the request had named and holds it
// against what check offered. It returns the choice with both amounts set, and
// with the contract if one is needed, or every problem with its field; nothing in
// between. A completed choice makes a PayRequest whose Body succeeds, and does not
// depend on now.
//
// amountTo is the choice's, else the request's, else the sum of a receipt's
// lines, else the displayed fixed amount. amountFrom is the choice's, else the
// request's as long as amountTo is the request's too, else amountTo.
//
// now is in the zone in which the partner's yyyyMMddHHmmss dates are read. Fields
// are amountTo, amountFrom, contractId, extraServices and extraServices[2].amount;
// reasons never repeat what people typed, except amounts.
func (r Reply) CheckChoice(asked Requested, c Choice, now time.Time) (Choice, []InputProblem) {
	check := choiceCheck{reply: r, asked: asked, given: c, now: now}
	check.amountTo()
	check.amountFrom()
	check.contract()
	check.lines()
	if len(check.problems) > 0 {
		return Choice{}, check.problems
	}
	return Choice{AmountTo: check.to, AmountFrom: check.from, ContractID: check.contractID, ExtraServices: c.ExtraServices}, nil
}

// choiceCheck collects problems, and what the choice comes to.
type choiceCheck struct {
	reply Reply
	asked Requested
	given Choice
	now   time.Time

	to         *domain.Money // nil while there is none in range
	from       *domain.Money
	contractID string
	problems   []InputProblem
}

func (c *choiceCheck) problem(field, reason string) {
	c.problems = append(c.problems, InputProblem{field, reason})
}

// FixedAmount is the only amount that the payment may have, where check displayed one.
func (r Reply) FixedAmount() (fixed domain.Money, displayed, readable bool) {
	shown, displayed := r.Displays[displayFixedAmount]
	fixed, readable = call.Amount(shown)
	return fixed, displayed, readable
}

func (c *choiceCheck) hasReceipt() bool { return len(c.reply.Invoices) > 0 }

// amountTo settles the amount, and holds it against the fixed amount and the sum
// of the lines: "общая сумма платежа по всем оплачиваемым услугам из квитанции
// должна быть равна сумме платежа т.е. amountTo".
func (c *choiceCheck) amountTo() {
	fixed, hasFixed, readable := c.reply.FixedAmount()
	if hasFixed && !readable { // whatever stands, an operator has to cancel the payment
		c.problem("amountTo", ProblemFixed)
		return
	}
	sum, fits := c.sum()
	if c.hasReceipt() && !fits {
		c.problem("extraServices", ProblemSumTooLarge)
	}
	to := firstAmount(c.given.AmountTo, c.asked.AmountTo)
	switch {
	case to != nil:
	case c.hasReceipt() && (!fits || !sum.Positive()):
		return // too much, or no lines, or one of them without an amount: lines says so
	case c.hasReceipt():
		to = &sum
	case hasFixed:
		to = &fixed
	default:
		c.problem("amountTo", ProblemMissing)
		return
	}
	if !inRange(*to) {
		c.problem("amountTo", ProblemAmount)
		return
	}
	c.to = to
	if hasFixed && *to != fixed {
		c.problem("amountTo", fmt.Sprintf("%s: %s, must be %s", ProblemNotFixed, to, fixed))
	}
	if len(c.given.ExtraServices) > 0 && c.hasReceipt() && fits && sum != *to {
		c.problem("extraServices", fmt.Sprintf("%s: %s, amountTo is %s", ProblemSum, sum, to))
	}
}

// sum adds the lines' amounts up; fits is false when they come to more than any
// payment may have.
func (c *choiceCheck) sum() (sum domain.Money, fits bool) {
	for _, line := range c.given.ExtraServices {
		if sum, fits = sum.Add(line.Amount); !fits {
			return 0, false
		}
	}
	return sum, sum <= MaxAmount
}

// amountFrom settles what the payer gives. What the request named was given for
// the amountTo it named: another one needs another amountFrom.
func (c *choiceCheck) amountFrom() {
	from := c.given.AmountFrom
	switch {
	case from != nil:
	case c.to == nil:
		return // nothing to measure it by
	case c.asked.AmountFrom == nil:
		from = c.to
	case c.asked.AmountTo == nil || *c.asked.AmountTo == *c.to:
		from = c.asked.AmountFrom
	default:
		c.problem("amountFrom", ProblemMissing+": amountTo is not the one that the request's amountFrom was for")
		return
	}
	switch {
	case !inRange(*from):
		c.problem("amountFrom", ProblemAmount)
	case c.to != nil && *from < *c.to:
		c.problem("amountFrom", fmt.Sprintf("%s: %s, amountTo is %s", ProblemBelowTo, from, c.to))
	}
	c.from = from
}

// contract settles which contract is paid: "идентификатор договора который
// пользователь выбрал из ответа на запрос проверки (check)". A single one has to
// be chosen too. Where check offers none, the request's own stays among its extras
// and is none of the payer's business.
func (c *choiceCheck) contract() {
	if len(c.reply.Contracts) == 0 {
		if c.given.ContractID != "" {
			c.problem("contractId", ProblemNoContracts)
		}
		return
	}
	c.contractID = c.given.ContractID
	if c.contractID == "" {
		c.contractID = c.asked.ContractID
	}
	if c.contractID == "" {
		c.problem("contractId", ProblemMissing)
		return
	}
	for _, offered := range c.reply.Contracts {
		if offered.ContractID == c.contractID {
			return
		}
	}
	c.problem("contractId", ProblemNotOffered)
}

// lines holds what is paid of a receipt against it: "оплачиваемые услуги из
// квитанции передаются в объекте extraServices". Each line is taken once.
func (c *choiceCheck) lines() {
	chosen := c.given.ExtraServices
	switch {
	case !c.hasReceipt() && len(chosen) > 0:
		c.problem("extraServices", ProblemNoReceipt)
		return
	case !c.hasReceipt():
		return
	case len(chosen) == 0:
		c.problem("extraServices", ProblemMissing)
		return
	}
	seen := map[string]bool{}
	for i, line := range chosen {
		field := fmt.Sprintf("extraServices[%d].", i)
		offered, expired := c.offered(line.SubServiceID)
		reason := ""
		switch {
		case line.SubServiceID == "":
			reason = ProblemMissing
		case seen[line.SubServiceID]:
			reason = ProblemLineTwice
		case len(offered) == 0 && expired:
			reason = ProblemExpired
		case len(offered) == 0:
			reason = ProblemNotOffered
		}
		seen[line.SubServiceID] = true
		if reason != "" {
			c.problem(field+"subServiceId", reason)
			offered = []InvoiceData{{IsMeter: line.LastCount != nil}} // the rest is judged by itself
		}
		for _, p := range line.fitsOne(offered) {
			c.problem(field+p.Field, p.Reason)
		}
	}
}

// offered finds a line in the receipts that can still be paid; expired says that
// it stands in one that cannot.
func (c *choiceCheck) offered(subServiceID string) (lines []InvoiceData, expired bool) {
	for _, invoice := range c.reply.Invoices {
		for _, line := range invoice.Services {
			switch {
			case line.SubServiceID != subServiceID:
			case invoice.expired(c.now):
				expired = true
			default:
				lines = append(lines, line.Data)
			}
		}
	}
	return lines, expired
}

// expired reads "дата до которой необходимо оплатить квитанцию". A date without a
// time of day counts to its end; one that is missing or unreadable is no obstacle.
func (i Invoice) expired(now time.Time) bool {
	until, err := time.ParseInLocation(invoiceDateLayout, i.ExpireDate, now.Location())
	switch {
	case err != nil:
		return false
	case i.ExpireDate[len("yyyyMMdd"):] == "000000":
		return !now.Before(until.AddDate(0, 0, 1))
	}
	return now.After(until)
}

// fitsOne says what is wrong with a chosen line: nothing when it fits one of the
// receipts' lines of its name, else what keeps it from the first.
func (s PaidService) fitsOne(offered []InvoiceData) []InputProblem {
	first := s.fits(offered[0])
	for _, line := range offered {
		if len(s.fits(line)) == 0 {
			return nil
		}
	}
	return first
}

// fits holds a chosen line against one of a receipt: minSum and maxSum ("0-
// ограничений нет") and the meter ("lastCount … передается если услуга
// счетчиковая").
func (s PaidService) fits(line InvoiceData) (problems []InputProblem) {
	problem := func(field, reason string) { problems = append(problems, InputProblem{field, reason}) }
	switch {
	case !inRange(s.Amount):
		problem("amount", ProblemAmount)
	case line.MinSum != nil && s.Amount < *line.MinSum:
		problem("amount", fmt.Sprintf("%s: %s, at least %s", ProblemBelowMin, s.Amount, line.MinSum))
	case line.MaxSum != nil && line.MaxSum.Positive() && s.Amount > *line.MaxSum:
		problem("amount", fmt.Sprintf("%s: %s, at most %s", ProblemAboveMax, s.Amount, line.MaxSum))
	}
	switch {
	case !line.IsMeter && s.LastCount != nil:
		problem("lastCount", ProblemNoMeter)
	case line.IsMeter && s.LastCount == nil:
		problem("lastCount", ProblemMissing)
	case line.IsMeter && !meterReading.MatchString(*s.LastCount):
		problem("lastCount", ProblemReading)
	}
	return problems
}

func inRange(m domain.Money) bool { return m.Positive() && m <= MaxAmount }

// firstAmount is the first that is there.
func firstAmount(amounts ...*domain.Money) *domain.Money {
	for _, m := range amounts {
		if m != nil {
			return m
		}
	}
	return nil
}
