package domain

import (
	"encoding/json"
	"reflect"
	"testing"
)

// tableOne is "Таблица 1 «Список кодов ответа на запросы»" with its mark
// «признак финальности» and what an answer with the code means at check, at the
// first pay and at a later one.
//
// 202: "Код ответа 202 имеет фатальный статус только в случае первичного запроса
// к процессингу. … Но это не остановит Pay запрос в обработке".
//
// 215: "В процессинге не должно содержаться двух успешно проведенных платежей от одного
// Агента с одним и тем же номером транзакции agentTransactionId": the centre holds the id,
// which says nothing of whose money moved. It refuses nowhere.
var tableOne = []struct {
	code                   Code
	text                   string // the seed's description
	final                  bool
	check, firstPay, later Means
	lateReason             OperatorReason
	stop                   bool // at check and at the first pay
}{
	{0, "успех", true, GoOn, Succeeded, Succeeded, "", false},
	{1, "запрос в обработке, повторите запрос позже", false, Repeat, Repeat, Repeat, "", false},
	{4, "неверный формат идентификатора абонента", true, Refused, Refused, Refused, "", false},
	{5, "идентификатор абонента не найден (ошиблись номером)", true, Refused, Refused, Refused, "", false},
	{7, "прием платежа запрещен провайдером", true, Refused, Refused, Refused, "", false},
	{8, "прием платежа запрещен по техническим причинам", true, Refused, Refused, Refused, "", false},
	{130, "работа с данному сервису не реализована", true, Refused, Refused, Refused, "", false},
	{153, "платеж на проверке в сб", false, Repeat, Repeat, Repeat, "", false},
	{155, "прием платежа по данному сервису запрещен", true, Refused, Refused, Refused, "", false},
	{202, "ошибка данных запроса", true, Refused, Refused, Repeat, ReasonLateRefusal, false},
	{215, "транзакция с таким номером уже есть в базе", true, Repeat, Repeat, Repeat, ReasonLateRefusal, true},
	{220, "недостаток средств у агента", false, Repeat, Repeat, Repeat, "", false},
	{250, "не был пополнен баланс агента", true, Refused, Refused, Refused, "", false},
	{241, "сумма слишком мала", true, Refused, Refused, Refused, "", false},
	{242, "сумма слишком велика", true, Refused, Refused, Refused, "", false},
	{255, "недопустимая дополнительная комиссия", false, Repeat, Repeat, Repeat, "", false},
	{300, "другая ошибка", true, Refused, Refused, Refused, "", false},
}

func code(c Code) *Code { return &c }

func TestTableOne(t *testing.T) {
	if len(tableOne) != 17 || len(Codes()) != len(tableOne) {
		t.Fatalf("the table has 17 codes, we have %d", len(Codes()))
	}
	for _, row := range tableOne {
		t.Run(row.text, func(t *testing.T) {
			if !row.code.Known() || row.code.Final() != row.final || row.code.Text() == Code(-1).Text() {
				t.Errorf("known %v, final %v, text %q", row.code.Known(), row.code.Final(), row.code.Text())
			}
			answer := Answer{Code: code(row.code)}
			var why OperatorReason
			if row.stop {
				why = ReasonNumberExists
			}
			judge(t, "check", CheckMeans(answer), Verdict{Means: row.check, OperatorReason: why, Stop: row.stop})
			judge(t, "first pay", FirstPayMeans(answer), Verdict{Means: row.firstPay, OperatorReason: why, Stop: row.stop})
			judge(t, "later pay", LaterPayMeans(answer), Verdict{Means: row.later, OperatorReason: row.lateReason})
			spoken := answer.PaymentCode()
			if ofRequest := row.code == 202 || row.code == 215; ofRequest != (spoken == nil) || !ofRequest && *spoken != row.code {
				t.Errorf("of the payment it says %v", spoken)
			}
		})
	}
}

// Only a code of the table that the table marks as final ends a payment, and an
// unknown one repeats: money may have moved. At check none can have.
func TestCodesOutsideTheTable(t *testing.T) {
	known := map[Code]bool{}
	for _, row := range tableOne {
		known[row.code] = true
	}
	for c := Code(-400); c <= 1000; c++ {
		if known[c] {
			continue
		}
		if c.Known() || c.Final() {
			t.Errorf("%d is not in the table", c)
		}
		answer := Answer{Code: code(c)}
		judge(t, "check", CheckMeans(answer), Verdict{Means: Refused})
		judge(t, "first pay", FirstPayMeans(answer), Verdict{Means: Repeat, OperatorReason: ReasonUnknownCode})
		judge(t, "later pay", LaterPayMeans(answer), Verdict{Means: Repeat, OperatorReason: ReasonUnknownCode})
		if answer.PaymentCode() != nil {
			t.Errorf("%d says nothing of the payment", c)
		}
	}
}

// "Отсутствие связи с процессингом является нефинальной ошибкой": at every step
// the same bytes again; after a 4xx a person has to look.
func TestNoCode(t *testing.T) {
	for answer, want := range map[Answer]Verdict{
		{}:                                  {Means: Repeat},
		{Rejected: true}:                    {Means: Repeat, OperatorReason: ReasonRejected},
		{StrangeEcho: true}:                 {Means: Repeat, OperatorReason: ReasonStrangeEcho},
		{StrangeEcho: true, Rejected: true}: {Means: Repeat, OperatorReason: ReasonStrangeEcho},
	} {
		judge(t, "check", CheckMeans(answer), want)
		judge(t, "first pay", FirstPayMeans(answer), want)
		judge(t, "later pay", LaterPayMeans(answer), want)
	}
}

// An answer that names another payment decides nothing, whatever its code.
func TestStrangeEcho(t *testing.T) {
	want := Verdict{Means: Repeat, OperatorReason: ReasonStrangeEcho}
	for _, c := range append(Codes(), 999) {
		answer := Answer{Code: code(c), StrangeEcho: true}
		judge(t, "check", CheckMeans(answer), want)
		judge(t, "first pay", FirstPayMeans(answer), want)
		judge(t, "later pay", LaterPayMeans(answer), want)
		if answer.PaymentCode() != nil {
			t.Errorf("%d speaks of another payment", c)
		}
	}
}

// Of a payment whose id the centre holds since before, only 0 is believed: nothing
// refuses it, nothing is repeated by itself, and an operator sees it.
func TestHeldIDIsNeverRefused(t *testing.T) {
	for c := Code(-10); c <= 400; c++ {
		for step, v := range map[string]Verdict{
			"check": CheckMeans(Answer{Code: code(c)}), "first pay": FirstPayMeans(Answer{Code: code(c)}), "later pay": LaterPayMeans(Answer{Code: code(c)}),
		} {
			got := v.OfHeldID()
			switch {
			case c == CodeSuccess:
				judge(t, step, got, v)
			case v.Means == Refused:
				judge(t, step, got, Verdict{Repeat, ReasonNumberExists, true})
			default:
				judge(t, step, got, Verdict{Repeat, v.OperatorReason, true})
			}
		}
	}
}

// A later pay never ends on less than a first one, and never on more.
func TestLaterPayIsMoreCareful(t *testing.T) {
	for c := Code(-10); c <= 400; c++ {
		answer := Answer{Code: code(c)}
		first, later := FirstPayMeans(answer), LaterPayMeans(answer)
		if c.OfRequest() && (first == later || later.Means != Repeat || later.Stop) {
			t.Errorf("%d: first %v, later %v", c, first, later)
		}
		if later.Final() && later != first {
			t.Errorf("%d: first %v, later %v", c, first, later)
		}
	}
}

func judge(t *testing.T, step string, got, want Verdict) {
	t.Helper()
	if got != want || got.Final() != (want.Means != Repeat) {
		t.Errorf("%s: %+v (final %v), want %+v", step, got, got.Final(), want)
	}
}

// The shapes that lie in histories.
func TestAnswerOnTheWire(t *testing.T) {
	for text, v := range map[string]any{
		`{}`:                              &Answer{},
		`{"code":0}`:                      &Answer{Code: code(0)},
		`{"code":220,"strangeEcho":true}`: &Answer{Code: code(220), StrangeEcho: true},
		`{"rejected":true}`:               &Answer{Rejected: true},
		`{"means":"repeat","operatorReason":"late_refusal"}`:              &Verdict{Means: Repeat, OperatorReason: ReasonLateRefusal},
		`{"means":"repeat","operatorReason":"number_exists","stop":true}`: &Verdict{Repeat, ReasonNumberExists, true},
		`{"means":"go_on"}`:                         &Verdict{Means: GoOn},
		`{"initial":1000000000,"factorMilli":2000}`: &Ladder{1e9, 2000},
	} {
		got, err := json.Marshal(v)
		if err != nil || string(got) != text {
			t.Errorf("%s %v, want %s", got, err, text)
		}
		back := reflect.New(reflect.TypeOf(v).Elem())
		if err := json.Unmarshal([]byte(text), back.Interface()); err != nil || !reflect.DeepEqual(back.Interface(), v) {
			t.Errorf("%s: %+v %v", text, back.Elem(), err)
		}
	}
}
