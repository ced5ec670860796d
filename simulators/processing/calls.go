package processing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// The six calls («Структура протокола»), as they stand in the path.
const (
	callServices        = "services"
	callService         = "service"
	callBalance         = "balance"
	callCheck           = "check"
	callPay             = "pay"
	callOperatorByPhone = "operatorByPhone"
)

const noSuchCall = "must be one of services, service, balance, check, pay, operatorByPhone"

func knownCall(call string) bool {
	switch call {
	case callServices, callService, callBalance, callCheck, callPay, callOperatorByPhone:
		return true
	}
	return false
}

// stampLayout is that of transactionDate and statusDate in the document's example.
const stampLayout = "2006-01-02T15:04:05.000"

// reply is the answer to any call; what does not belong to it is left out. The
// ids and the result are of any type because faults answer strange ones.
type reply struct {
	Result             any    `json:"result,omitempty"`
	ResultMessage      string `json:"resultMessage"`
	TransactionID      any    `json:"transactionId,omitempty"`
	TransactionDate    string `json:"transactionDate,omitempty"`
	StatusDate         string `json:"statusDate,omitempty"`
	AgentTransactionID any    `json:"agentTransactionId,omitempty"`
	offer
	Services  []*service `json:"serviсes,omitzero"` // the second с is Cyrillic (U+0441), as in the document
	Agent     *agent     `json:"agent,omitempty"`
	ServiceID string     `json:"serviceId,omitempty"`
}

// agent is the answer of balance; amounts are numbers with four decimals.
type agent struct {
	AgentID      int         `json:"agentId"`
	AgentName    string      `json:"agentName"`
	Balance      json.Number `json:"balance"`
	Overdraft    json.Number `json:"overdraft"`
	Notification json.Number `json:"notification,omitempty"` // «обязательный: нет»
	Currency     string      `json:"currency"`
}

// work is one request while it is being processed.
type work struct {
	call   string
	body   []byte
	answer Answer
	at     time.Time
	record *record // what will change
}

// process answers one request from the books and notes in w.record what has to
// change in them; it changes nothing itself.
func (b *books) process(w work) (code int, r reply) {
	if no := w.scripted(); no != nil && w.answer.Transient {
		id, _ := addressed(w.body)
		p, _ := b.payment(id)
		p.AgentTransactionID = id
		return no.code, p.refused(*no)
	}
	switch w.call {
	case callCheck:
		return b.check(w)
	case callPay:
		return b.pay(w)
	}
	no := b.ask(w, &r)
	if no == nil {
		no = w.scripted()
	}
	if no != nil {
		return no.code, Payment{}.refused(*no)
	}
	r.Result = codeOK
	return codeOK, r
}

// scripted is the code of a script, as an objection.
func (w work) scripted() *refusal {
	if w.answer.Code == codeOK {
		return nil
	}
	return &refusal{code: w.answer.Code}
}

// ask answers the calls that concern no payment.
func (b *books) ask(w work, r *reply) *refusal {
	if len(w.body) == 0 && (w.call == callServices || w.call == callBalance) {
		w.body = []byte("{}") // «Body Parameters: без параметров»
	}
	o, err := parseObject(w.body)
	if err != nil {
		return bad("тело запроса: " + describe(err))
	}
	switch w.call {
	case callServices:
		r.ResultMessage, r.Services = "OK", b.catalogue.services()
		return o.only()
	case callService:
		id, no := o.text("serviceId")
		if no != nil {
			return no
		}
		s := findService(id)
		if s == nil || b.catalogue.hides(s) {
			return &refusal{codeServiceClosed, "нет такого сервиса"}
		}
		r.ResultMessage, r.Services = "OK", []*service{b.catalogue.show(s)}
		return o.only("serviceId")
	case callBalance:
		r.ResultMessage, r.Agent = "Успешно", &agent{
			AgentID: 4, AgentName: "Наименование Агента", Balance: json.Number(b.balance.String()),
			Overdraft: json.Number(b.overdraft.String()), Notification: json.Number(b.notification.String()), Currency: "KZT",
		}
		if b.silent {
			r.Agent.Notification = ""
		}
		return o.only()
	}
	phone, no := o.text("phoneNumber")
	if no != nil {
		return no
	}
	if !phoneNumber.MatchString(phone) {
		return &refusal{codeBadAccount, ""}
	}
	r.ResultMessage, r.ServiceID = "ok", operators[phone[:3]]
	return o.only("phoneNumber")
}

// check examines a payment without moving anything («Запрос на проверку
// возможности проведения платежа»).
func (b *books) check(w work) (int, reply) {
	q, no := parseOrder(w.call, w.body)
	if q.id == 0 {
		return no.code, Payment{}.refused(*no)
	}
	p, known := b.payment(q.id)
	if p.PaySHA256 != "" {
		no := refusal{codeDuplicate, ""}
		return no.code, p.refused(no)
	}
	if no == nil && p.contradicts(q) {
		no = bad("проверка с этим номером была по другому сервису или счету")
	}
	if no != nil && p.checked() {
		return no.code, p.refused(*no) // a wrong repeat does not spoil a successful check
	}
	if !known {
		p = b.open(q.id)
	}
	if no == nil {
		no = w.scripted()
	}
	p.take(q)
	w.record.Payment = &p
	if no != nil {
		p.Code = no.code
		return no.code, p.refused(*no)
	}
	p.Code = codeOK
	return codeOK, reply{
		Result: codeOK, ResultMessage: "ok", TransactionID: p.TransactionID, AgentTransactionID: p.AgentTransactionID,
		offer: offered(q.service, q.account, q.date, q.to),
	}
}

// pay executes a payment once («Запрос на проведения платежа»).
func (b *books) pay(w work) (int, reply) {
	q, no := parseOrder(w.call, w.body)
	if q.id == 0 {
		return no.code, Payment{}.refused(*no)
	}
	value, err := canonical(w.body)
	if err != nil {
		panic("an id was read from a body that is not JSON: " + err.Error())
	}
	digest := sha256.Sum256(value)
	body := hex.EncodeToString(digest[:])
	p, known := b.payment(q.id)
	if p.PaySHA256 != "" && p.PaySHA256 != body {
		no := bad("тело повторного запроса изменено")
		return no.code, p.refused(*no)
	}
	if p.State == Executed || p.State == Refused {
		return p.repeated(w)
	}
	if !known {
		p = b.open(q.id)
	}
	if p.State == Checked {
		if no == nil && p.contradicts(q) {
			no = bad("проверка с этим номером была по другому сервису или счету")
		}
		p.take(q)
		p.State, p.PaySHA256, p.TransactionDate = Registered, body, w.at.Format(stampLayout)
	}
	if no == nil {
		no = w.scripted()
	}
	if no == nil && b.balance-tenThousandths(p.AmountTo)*perTiyn < b.overdraft {
		no = &refusal{codeNoFunds, ""}
	}
	return p.settle(w, no)
}

// settle brings a registered payment to its end, unless the objection is only
// for the time being.
func (p Payment) settle(w work, no *refusal) (int, reply) {
	w.record.Payment = &p
	switch {
	case no == nil:
		p.State, p.Code, p.StatusDate = Executed, codeOK, w.at.Format(stampLayout)
		w.record.Move = &move{p.AgentTransactionID, p.AmountTo}
		return codeOK, p.executed()
	case refuses(no.code):
		p.State, p.StatusDate = Refused, w.at.Format(stampLayout)
	}
	p.Code = no.code
	return no.code, p.refused(*no)
}

// repeated is the answer to the same pay after its end. A scripted final
// refusal cannot undo it; a scripted code of another kind is answered once.
func (p Payment) repeated(w work) (int, reply) {
	if p.State == Refused {
		return p.Code, p.refused(refusal{code: p.Code})
	}
	if no := w.scripted(); no != nil && !refuses(no.code) {
		return no.code, p.refused(*no)
	}
	return codeOK, p.executed()
}

// checked reports whether the last thing known of the payment is a successful check.
func (p Payment) checked() bool { return p.State == Checked && p.Code == codeOK }

// contradicts reports whether the order is for something else than the
// successful check of this id was.
func (p Payment) contradicts(q order) bool {
	return p.checked() && (p.ServiceID != q.service.ServiceID || p.Account != q.account)
}

// take notes what was ordered, as far as it was legible.
func (p *Payment) take(q order) {
	p.Account, p.AgentTransactionDate, p.AmountTo, p.AmountFrom = q.account, q.date, q.to, q.from
	if q.service != nil {
		p.ServiceID = q.service.ServiceID
	}
}

func (p Payment) executed() reply {
	return reply{
		Result: codeOK, ResultMessage: "Успешно", TransactionID: p.TransactionID, AgentTransactionID: p.AgentTransactionID,
		TransactionDate: p.TransactionDate, StatusDate: p.StatusDate,
		offer: offered(findService(p.ServiceID), p.Account, p.AgentTransactionDate, p.AmountTo),
	}
}

// refused is the answer with a code other than 0, with the ids that are known.
func (p Payment) refused(no refusal) reply {
	r := reply{Result: no.code, ResultMessage: message(no.code, no.detail)}
	if p.AgentTransactionID != 0 {
		r.AgentTransactionID = p.AgentTransactionID
	}
	if p.TransactionID != 0 {
		r.TransactionID = p.TransactionID
	}
	return r
}
