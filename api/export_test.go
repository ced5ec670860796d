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
func DecodePayment(body []byte) (digest string, problems int, err error) {
	request, wrong := decodePayment(body)
	digest, err = request.digest()
	return digest, len(wrong), err
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

// ChoiceDigest is what a repeated choice is known by.
var ChoiceDigest = choiceDigest

// Choose commits a choice as the handler does once it has read the payment.
func (s *Server) Choose(ctx context.Context, id domain.AgentTransactionID, c storage.PayerChoice) error {
	_, err := s.choose(ctx, id, c)
	return err
}

// SetClock replaces the catalogue's clock.
func (s *Server) SetClock(now func() time.Time) { s.catalogue.now = now }

// PreferredWait is the reading of Prefer.
var PreferredWait = preferredWait

// PageDuration is the reading of olderThan.
var PageDuration = duration

// SetLimits replaces how long a request may take to come and to be answered.
// Call it before Serve.
func (s *Server) SetLimits(limit time.Duration) {
	s.http.ReadTimeout, s.http.WriteTimeout = limit, limit
}

// Comparing is how many registers are being compared.
func (s *Server) Comparing() int { return len(s.comparing) }
