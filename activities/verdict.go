package activities

import (
	"context"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// ofPayment is a verdict as this payment takes it.
func ofPayment(p storage.Payment, v domain.Verdict) domain.Verdict {
	if p.HeldID {
		return v.OfHeldID()
	}
	return v
}

// payVerdict applies the rule for a first or a later pay, and says what the answer says
// of the payment itself.
//
// The answer is one to a first pay only if this very process committed the
// intent, has not used it before, and no other pay of this payment was begun
// until after the answer came. Another execution that sends the same pay commits
// its started row before its first byte, so an answer that its bytes provoked
// (202, 215) always finds that row here.
func (p *Processing) payVerdict(ctx context.Context, payment storage.Payment, sent paid) (v domain.Verdict, word *domain.Code) {
	answer, err := p.answer(ctx, payment, sent.reply, sent.err)
	if err != nil {
		return ofPayment(payment, domain.Verdict{Means: domain.Repeat}), nil // cannot tell an echo from an answer: ask again
	}
	v = domain.LaterPayMeans(answer)
	if first := domain.FirstPayMeans(answer); sent.isFirst && first != v {
		now, err := p.Ledger.Payment(ctx, payment.ID)
		if err == nil && now.Attempts == sent.call.Attempt {
			v = first
		}
	}
	return ofPayment(payment, v), answer.PaymentCode()
}

// answer reduces a reply to what decides. A transactionId that our ledger holds
// for another payment makes it no answer to our question; one that this payment
// holds already was looked up when it got it.
func (p *Processing) answer(ctx context.Context, payment storage.Payment, reply processing.Reply, callErr error) (domain.Answer, error) {
	answer := processing.AnswerOf(reply, callErr, payment.ID)
	if answer.Code == nil || *answer.Code != domain.CodeSuccess || reply.TransactionID == 0 ||
		payment.TransactionID != nil && *payment.TransactionID == reply.TransactionID {
		return answer, nil
	}
	elsewhere, err := p.Ledger.TransactionElsewhere(ctx, reply.TransactionID, payment.ID)
	answer.StrangeEcho = answer.StrangeEcho || elsewhere
	return answer, err
}
