package api

import (
	"encoding/json"
	"time"
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

// SetClock replaces the catalogue's clock.
func (s *Server) SetClock(now func() time.Time) { s.catalogue.now = now }

// PreferredWait is the reading of Prefer.
var PreferredWait = preferredWait

// PageDuration is the reading of olderThan.
var PageDuration = duration
