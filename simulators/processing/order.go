package processing

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	dateLayout = "2006-01-02T15:04:05" // «дата в формате YYYY-MM-DDThh:mm:ss»
	maxText    = 200                   // characters; «строка ... длиной до 200 символов»
)

// order is an examined check or pay.
type order struct {
	id       int64
	service  *service
	account  string
	date     string
	to, from Tiyn // 0 when check names none; from is to when pay names none
	hasTo    bool
	hasFrom  bool
	extras   map[string]string
	items    []orderItem
	hasItems bool

	identified bool // identityCard and fullName came
}

// orderItem is one of extraServices.
type orderItem struct {
	subServiceID string
	lastCount    string
	amount       Tiyn
}

// parseOrder examines a check or pay in the order of the package comment. With
// an objection, the order still carries what was legible: its id, if that is
// not 0.
func parseOrder(call string, body []byte) (order, *refusal) {
	o, err := parseObject(body)
	if err != nil {
		return order{}, bad("тело запроса: " + describe(err))
	}
	var q order
	var no *refusal
	if q.id, no = o.number("agentTransactionId"); no != nil {
		return order{}, no
	}
	if no := q.readFields(call, o); no != nil {
		return q, no
	}
	if no := q.examine(call); no != nil {
		return q, no
	}
	if call == callPay {
		return q, q.examineScheme()
	}
	return q, nil
}

// describe keeps the decoder's own words out of the answer: they can quote the body.
func describe(err error) string {
	if errors.Is(err, errRepeatedName) {
		return err.Error()
	}
	return "не объект JSON в UTF-8"
}

// readFields looks at presence and types (code 202) and finds the service (155).
func (q *order) readFields(call string, o object) (no *refusal) {
	names := []string{"serviceId", "account", "agentTransactionId", "agentTransactionDate", "amountTo", "amountFrom", "identityCard", "fullName", "extras"}
	if call == callPay {
		names = append(names, "extraServices")
	}
	if no = o.only(names...); no != nil {
		return no
	}
	serviceID, no := o.text("serviceId")
	if no != nil {
		return no
	}
	if q.account, no = o.text("account"); no != nil {
		return no
	}
	if q.date, no = o.text("agentTransactionDate"); no != nil {
		return no
	}
	if _, err := time.Parse(dateLayout, q.date); err != nil || len(q.date) != len(dateLayout) {
		return bad("agentTransactionDate: не YYYY-MM-DDThh:mm:ss")
	}
	if no = q.readAmounts(call, o); no != nil {
		return no
	}
	if no = q.readIdentity(o); no != nil {
		return no
	}
	if q.extras, no = o.texts("extras"); no != nil {
		return no
	}
	if no = q.readItems(o); no != nil {
		return no
	}
	if q.service = findService(serviceID); q.service == nil {
		return &refusal{codeServiceClosed, "нет такого сервиса"}
	}
	return nil
}

func (q *order) readAmounts(call string, o object) (no *refusal) {
	if q.to, q.hasTo, no = o.amount("amountTo"); no != nil {
		return no
	}
	if call == callPay && !q.hasTo {
		return bad("amountTo: нет поля")
	}
	if q.from, q.hasFrom, no = o.amount("amountFrom"); no != nil {
		return no
	}
	if !q.hasFrom {
		q.from = q.to
	}
	return nil
}

// readIdentity: who pays is known when both fields say something.
func (q *order) readIdentity(o object) *refusal {
	card, no := o.optionalText("identityCard")
	if no != nil {
		return no
	}
	name, no := o.optionalText("fullName")
	q.identified = strings.TrimSpace(card) != "" && strings.TrimSpace(name) != ""
	return no
}

func (q *order) readItems(o object) *refusal {
	raw, there := o["extraServices"]
	if !there {
		return nil
	}
	q.hasItems = true
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || len(items) == 0 {
		return bad("extraServices: не список или пуст")
	}
	for _, raw := range items {
		o, err := parseObject(raw)
		if err != nil {
			return bad("extraServices: не список объектов")
		}
		if no := o.only("subServiceId", "lastCount", "amount"); no != nil {
			return no
		}
		var item orderItem
		var no *refusal
		if item.subServiceID, no = o.text("subServiceId"); no != nil {
			return no
		}
		if _, there := o["lastCount"]; there {
			if item.lastCount, no = o.text("lastCount"); no != nil {
				return no
			}
		}
		if item.amount, there, no = o.amount("amount"); no != nil || !there {
			return bad("extraServices: amount: сумма пишется числом с двумя знаками после точки")
		}
		q.items = append(q.items, item)
	}
	return nil
}

// examine holds the values against the catalogue.
func (q *order) examine(call string) *refusal {
	s := q.service
	if utf8.RuneCountInString(q.account) > maxText || !s.inputAccount().match(q.account) {
		return &refusal{codeBadAccount, ""}
	}
	for _, in := range s.Inputs[1:] {
		name := strings.TrimPrefix(in.Name, "ev_")
		value, there := q.extras[name]
		if (in.Required && !there) || (there && !in.match(value)) {
			return bad("extras: " + name + ": нет поля или неверный формат")
		}
	}
	if s.identity && !q.identified {
		return bad("identityCard, fullName: нужны для этого сервиса")
	}
	if q.hasFrom && q.from < q.to {
		return bad("amountFrom меньше amountTo")
	}
	if call == callPay && s.Type == schemeSimple && q.extras != nil && !q.hasFrom {
		return bad("amountFrom: нет поля") // «Запрос на проведения платежа с экстра-полями»: обязательный, да
	}
	if q.hasTo && q.to < s.min {
		return &refusal{codeTooSmall, ""}
	}
	if q.to > s.max {
		return &refusal{codeTooLarge, ""}
	}
	if strings.HasSuffix(q.account, "0000") {
		return &refusal{codeUnknownAccount, ""}
	}
	return nil
}

// examineScheme holds a pay against what check offers for it.
func (q *order) examineScheme() *refusal {
	s, shown := q.service, offered(q.service, q.account, q.date, q.to)
	if s.fixed > 0 && q.to != s.fixed {
		return bad("amountTo не равна fixedAmount")
	}
	chosen, chose := q.extras["contractId"]
	if (s.Type == schemeChoice) != chose {
		return bad("extras.contractId: нужен в схеме «с выбором» и только в ней")
	}
	if chose && !offers(shown.Contracts, chosen) {
		return bad("extras.contractId: такого договора не было в ответе на проверку")
	}
	if (s.Type == schemeReceipt) != q.hasItems {
		return bad("extraServices: нужен в «комплексной» схеме и только в ней")
	}
	if q.hasItems {
		return q.examineItems(shown.Invoice.Invoices)
	}
	return nil
}

func offers(contracts []contract, id string) bool {
	for _, c := range contracts {
		if c.ContractID == id {
			return true
		}
	}
	return false
}

var meterReading = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,3})?$`)

// examineItems: «общая сумма платежа по всем оплачиваемым услугам из квитанции
// должна быть равна сумме платежа», each line at most once, inside its limits,
// with a meter's reading, and not of a receipt that expired («дата до которой
// необходимо оплатить квитанцию»).
func (q *order) examineItems(receipts []invoice) *refusal {
	lines, overdue := payable(receipts), false
	rest := q.to // counted down, so that no sum of strange amounts can overflow
	for _, item := range q.items {
		line, no := take(lines, item.subServiceID, item.amount)
		if no != nil {
			return no
		}
		if line.isMeter() && !meterReading.MatchString(item.lastCount) {
			return bad("extraServices: lastCount: нет показания счетчика")
		}
		overdue = overdue || line.overdue
		if item.amount > rest {
			return bad("extraServices: суммы не равны amountTo")
		}
		rest -= item.amount
	}
	if rest != 0 {
		return bad("extraServices: суммы не равны amountTo")
	}
	if overdue {
		return &refusal{codeForbidden, "срок оплаты квитанции истек"}
	}
	return nil
}
