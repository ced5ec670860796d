package api

import (
	"context"
	"encoding/json"
	"time"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// DecodePayment is the decoder of POST /v1/payments, and the digest of what it
// read.
func DecodePayment(body []byte) (digest string, problems int) {
	request, wrong := decodePayment(body)
	return request.digest(), len(wrong)
}

// DecodeOrder is the decoder of POST /v1/orders, and the digest of what it read.
func DecodeOrder(body []byte) (digest string, problems int) {
	request, wrong := decodeOrder(body, time.Now())
	return request.digest(), len(wrong)
}

// DecodeBatch is the decoder of POST /v1/payments/batch: the rows, and what is
// wrong with the array.
func DecodeBatch(body []byte) (rows []json.RawMessage, problems int) {
	rows, wrong := decodeBatch(body)
	return rows, len(wrong)
}

// DecodeChoice is the decoder of POST /v1/payments/{id}/pay.
func DecodeChoice(body []byte) (c processing.Choice, problems int) {
	c, wrong := decodeChoice(body)
	return c, len(wrong)
}

// Closing is what closing an incident said.
type Closing struct {
	Reason            string
	Money             domain.MoneyWhere
	TransactionNumber string
}

// DecodeClosing is the decoder of POST /v1/incidents/{id}/close, for an incident of this
// kind of process and reason.
func DecodeClosing(body []byte, process domain.Process, why domain.OperatorReason) (c Closing, problems int) {
	a, wrong := decodeIncidentAction(body, domain.ActionClose)
	return Closing{a.Reason, a.Money, a.TransactionNumber}, len(wrong) + len(a.misfits(process, why))
}

// ChoiceDigest is what a repeated choice is known by.
var ChoiceDigest = choiceDigest

// Choose commits a choice as the handler does once it has read the payment.
func (s *Server) Choose(ctx context.Context, id domain.AgentTransactionID, c storage.PayerChoice) error {
	_, err := s.choose(ctx, id, c)
	return err
}

// SetClock replaces the catalogue's clock.
func (s *Server) SetClock(now func() time.Time) { s.catalogue.now = now }

// SetActionLimit lowers how long one action waits for its workflow.
func (s *Server) SetActionLimit(limit time.Duration) { s.actionLimit = limit }

// SetBulkMost lowers how many payments one bulk action takes.
func (s *Server) SetBulkMost(payments int) { s.bulkMost = payments }

// CarryOutAll carries out placed actions until ctx ends, as a bulk action does: its
// answer.
func (s *Server) CarryOutAll(ctx context.Context, action domain.Action, orders []storage.Action) any {
	return s.carryOutAll(ctx, action, orders)
}

// Digests are what equal requests are known by, of one example of each kind.
func Digests() map[string]string {
	amount, code, count, yes := domain.Money(200_00), domain.Code(220), "4875.50", true
	return map[string]string{
		"payment/1": paymentRequest{
			ServiceID: "P1011", Account: "a<é", AmountTo: &amount, AmountFrom: &amount, Extras: map[string]string{"b": "2", "a": "1"},
			IdentityCard: "c", FullName: "n", AutoPay: true, AgentTransactionID: 5,
		}.digest(),
		"choice/1": choiceDigest(processing.Choice{
			AmountTo: &amount, AmountFrom: &amount, ContractID: "7",
			ExtraServices: []processing.PaidService{{SubServiceID: "2", Amount: amount}, {SubServiceID: "1", Amount: amount, LastCount: &count}},
		}),
		"order/1": actionRequest{PaymentID: 5, Action: domain.ActionResolve, Reason: "r", Outcome: domain.StateResolvedRefused, Evidence: "e"}.
			row("boss", "k", time.Unix(0, 0)).RequestSHA256,
		"incident_action/1": digestOf("incident_action/1", incidentAction{
			Incident: 5, Action: domain.ActionClose, Reason: "r", Money: domain.MoneyMoved, TransactionNumber: "7",
		}),
		"instalment_order/1": orderRequest{
			StoreOrderID: "17/1", ClientPhone: "+77010000000", TotalSum: 90000_00, AutoConfirm: true, NDS: &amount,
			orderTerms: orderTerms{
				Invoice: invoiceView{"17", "2026-02-17", "STORE", "A-1"}, CreditProducts: []productView{{"Рассрочка 3", 3}}, Products: []goodsView{{"a<é", 2, 45000_00}},
			},
		}.digest(),
		"return/1": digestOf("return/1", returnRequest{StoreReturnID: "r/1", Sum: amount, ToCard: true}),
		"bulk/1": bulkRequest{
			Filter: bulkFilter{States: []domain.State{domain.StatePaying}, Code: &code, Service: "P1011", Age: "15m", NeedsOperator: &yes, age: time.Hour},
			Action: domain.ActionRetry, Reason: "r", DryRun: false,
		}.digest(),
	}
}

// PreferredWait is the reading of Prefer.
var PreferredWait = preferredWait

// PageDuration is the reading of olderThan and stuck.
var PageDuration = duration

// SetLimits replaces how long a request may take to come and to be answered.
// Call it before Serve.
func (s *Server) SetLimits(limit time.Duration) {
	s.http.ReadTimeout, s.http.WriteTimeout = limit, limit
}

// Comparing is how many registers are being compared.
func (s *Server) Comparing() int { return len(s.comparing) }
