package storage

import "tolem/domain"

// Encoder makes the message that Loxon gets of an event and its payment order.
type Encoder func(PaymentOrderEvent, PaymentOrder) ([]byte, error)

// UnencodableError is an event that no message could carry: nothing of it was stored.
type UnencodableError struct {
	Loan int   // its index in the batch of loans; 0 where there is no batch
	Err  error // the encoder's
}

// Error is the encoder's.
func (e *UnencodableError) Error() string {
	return "the event could not be published: " + e.Err.Error()
}

// Unwrap is the encoder's error.
func (e *UnencodableError) Unwrap() error { return e.Err }

// carries checks that the event could be published as it is with the sums of its order now. It
// belongs in the transaction that stores the event: what is stored and cannot be published
// blocks everything that follows of its contract. Without an encoder it checks nothing.
func (encode Encoder) carries(e PaymentOrderEvent, o PaymentOrder) error {
	if encode == nil {
		return nil
	}
	e.Debt, e.Amount, e.Paid = o.DebtNow(), o.Amount, o.Paid
	if _, err := encode(e, o); err != nil {
		return &UnencodableError{Err: err}
	}
	return nil
}

// carried checks that "request was sent" of each loan could be published.
func (b LoanBatch) carried() error {
	for i, loan := range b.Loans {
		order, err := b.order(loan, 1, 1) // references and batch have one form, whatever their number
		if err != nil {
			return err
		}
		order.Amount = order.Debt
		request := PaymentOrderEvent{Contract: loan.Contract, Status: domain.StatusRequestSent, EventAt: At(b.At)}
		if err := b.Encode.carries(request, order); err != nil {
			return &UnencodableError{Loan: i, Err: err}
		}
	}
	return nil
}
