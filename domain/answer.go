package domain

// Answer is what one attempt at the processing centre brought back, reduced to
// what decides: no text, nothing personal.
type Answer struct {
	// Code is the result code; nil when none came ("no connection": time-out,
	// reset, 5xx, broken body, an activity that never reported).
	Code *Code `json:"code,omitempty"`
	// StrangeEcho is set when the answer names another agentTransactionId than
	// ours, or a transactionId that our ledger holds for another payment: it is
	// no answer to our question, whatever its code.
	StrangeEcho bool `json:"strangeEcho,omitempty"`
	// Rejected is set for HTTP 401, 403, 404 and other 4xx without a code: a
	// person has to mend token, address or agreement.
	Rejected bool `json:"rejected,omitempty"`
}

// Means is what an answer decides.
type Means string

// What an answer can decide.
const (
	GoOn      Means = "go_on"     // check: the payment may be paid
	Succeeded Means = "succeeded" // pay: the money moved, once
	Refused   Means = "refused"   // the money certainly did not move and will not
	Repeat    Means = "repeat"    // not final, or nothing known: the same bytes again
)

// Verdict is the reading of one answer.
type Verdict struct {
	Means Means `json:"means"`
	// OperatorReason is why a person has to look while the payment goes on
	// repeating; empty when nobody has to.
	OperatorReason OperatorReason `json:"operatorReason,omitempty"`
	// Stop is set when nothing more may be sent by itself: the centre holds this id, and
	// may hold the money. Only an operator's retry sends again.
	Stop bool `json:"stop,omitempty"`
}

// Final says whether the verdict ends the step.
func (v Verdict) Final() bool { return v.Means != Repeat }

// OperatorReason says why needs_operator is raised.
type OperatorReason string

// The reasons, stable names.
const (
	ReasonUnknownCode  OperatorReason = "unknown_code"  // a code outside table 1 answered a pay
	ReasonStrangeEcho  OperatorReason = "strange_echo"  // the answer names another payment
	ReasonRejected     OperatorReason = "rejected_http" // 401, 403, 404 or another 4xx
	ReasonLateRefusal  OperatorReason = "late_refusal"  // 202 or 215 after an earlier pay
	ReasonNumberExists OperatorReason = "number_exists" // 215 before a pay of ours could be why
	ReasonCancelledRun OperatorReason = "cancelled_run" // Cancel from Temporal after pay was sent
	// ReasonUnreadableAnswer: a partner's answer failed twice in a row for the same reason, so
	// that repeating alone is not likely to help. It may be of any process.
	ReasonUnreadableAnswer OperatorReason = "unreadable_answer"
	// ReasonNothingOffered: check of a choice or receipt service was answered without
	// contracts or a receipt; it waits for the payer, who may go ahead all the same.
	ReasonNothingOffered OperatorReason = "nothing_offered"
	ReasonTooOld         OperatorReason = "too_old" // open for longer than the limit; nothing ends it for that
)

// CheckMeans reads an answer to check while no pay was ever sent: 0 goes on, 1, 153,
// 220, 255 and no connection repeat, everything else but 215 is refused: the money cannot
// have moved, so even an unknown code refuses.
//
// 215, "транзакция с таким номером уже есть в базе", says that the centre holds this id:
// of a payment that a restored ledger has forgotten, or of another system. What became of
// that one nobody knows, so it stops.
func CheckMeans(a Answer) Verdict {
	switch {
	case a.StrangeEcho || a.Code == nil:
		return unanswered(a)
	case *a.Code == CodeSuccess:
		return Verdict{Means: GoOn}
	case *a.Code == CodeNumberExists:
		return numberExists
	case a.Code.Known() && !a.Code.Final():
		return Verdict{Means: Repeat}
	default:
		return Verdict{Means: Refused}
	}
}

// numberExists is the reading of 215 where no pay of ours can be why.
var numberExists = Verdict{Means: Repeat, OperatorReason: ReasonNumberExists, Stop: true}

// FirstPayMeans reads the answer to the very first pay of a payment, sent by the
// execution that committed the intent. Only here may 202 refuse: "Код ответа 202 имеет
// фатальный статус только в случае первичного запроса". 215 stops as it does at check.
func FirstPayMeans(a Answer) Verdict {
	switch {
	case a.StrangeEcho || a.Code == nil:
		return unanswered(a)
	case *a.Code == CodeSuccess:
		return Verdict{Means: Succeeded}
	case *a.Code == CodeNumberExists:
		return numberExists
	case !a.Code.Known():
		return Verdict{Means: Repeat, OperatorReason: ReasonUnknownCode}
	case !a.Code.Final():
		return Verdict{Means: Repeat}
	default:
		return Verdict{Means: Refused}
	}
}

// LaterPayMeans reads the answer to a pay that may not be the first: an earlier
// one may have moved the money. 202 and 215 then speak of the repetition, not of
// the payment ("это не остановит Pay запрос в обработке"), so they refuse
// nothing; any other final code is the centre's word that repeating cannot
// change it.
func LaterPayMeans(a Answer) Verdict {
	if !a.StrangeEcho && a.Code != nil && a.Code.OfRequest() {
		return Verdict{Means: Repeat, OperatorReason: ReasonLateRefusal}
	}
	return FirstPayMeans(a)
}

// OfHeldID is the verdict for a payment whose id the centre holds since before a pay of
// ours: only 0 ends it. A refusal may be that of another payment with the id, so it is
// none; and nothing is repeated by itself.
func (v Verdict) OfHeldID() Verdict {
	switch v.Means {
	case Refused:
		return numberExists
	case Repeat:
		v.Stop = true
	}
	return v
}

// PaymentCode is the answer's code, if it speaks of the payment itself: nil for one that
// speaks of the last request alone, for one outside table 1, and for an answer that names
// another payment.
func (a Answer) PaymentCode() *Code {
	if a.StrangeEcho || a.Code == nil || !a.Code.OfPayment() {
		return nil
	}
	return a.Code
}

// unanswered reads what is no answer to our question: an echo of another payment,
// or no code at all. "Отсутствие связи с процессингом является нефинальной
// ошибкой".
func unanswered(a Answer) Verdict {
	switch {
	case a.StrangeEcho:
		return Verdict{Means: Repeat, OperatorReason: ReasonStrangeEcho}
	case a.Rejected:
		return Verdict{Means: Repeat, OperatorReason: ReasonRejected}
	}
	return Verdict{Means: Repeat}
}
