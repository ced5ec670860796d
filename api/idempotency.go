package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/storage"
)

const headerIdempotencyKey = "Idempotency-Key"

// The longest Idempotency-Key, in characters.
const (
	maxKey      = 128
	maxBatchKey = 100 // a row's key is the batch's, a space and the row's index
)

// keyAndBody reads the Idempotency-Key, or makes one, answers with it, and reads
// the body.
func keyAndBody(c echo.Context) (key string, body []byte, err error) {
	if key, err = idempotencyKey(c.Request().Header); err != nil {
		return "", nil, err
	}
	c.Response().Header().Set(headerIdempotencyKey, key)
	body, err = readBody(c)
	return key, body, err
}

// idempotencyKey reads the header, with or without the quotes of a structured field, or makes a
// key for callers who send none and keep what the answer says: only for actions, which move nothing twice when they are
// repeated under another key.
func idempotencyKey(h http.Header) (string, error) {
	given := h.Values(headerIdempotencyKey)
	if len(given) == 0 {
		return uuid.NewString(), nil
	}
	key := domain.Unquoted(given[0])
	if len(given) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", badParameter(headerIdempotencyKey, ruleFormat, "must stand once and have 1 to 128 visible ASCII characters")
	}
	return key, nil
}

// optionalKey reads the header; "" when it was not sent, for requests that are
// known by something else when they come again.
func optionalKey(h http.Header) (string, error) {
	if len(h.Values(headerIdempotencyKey)) == 0 {
		return "", nil
	}
	return idempotencyKey(h)
}

// requiredKey reads the header of what must have one, such as "a batch": a key made here
// would be lost with the answer, and a repetition could not be told apart from news.
func requiredKey(h http.Header, of string) (string, error) {
	key, err := optionalKey(h)
	if err == nil && key == "" {
		return "", badParameter(headerIdempotencyKey, ruleRequired, "is required for "+of+": it makes "+of+" safe to send again")
	}
	return key, err
}

// paymentKey is what a repetition of a payment is known by: the given header or, without
// one, the agentTransactionId that the caller chose. Without either, the same request sent
// twice would be two payments, so it is refused: a key made here would be lost together
// with the answer.
func paymentKey(c echo.Context, given string, id domain.AgentTransactionID) (string, error) {
	switch {
	case given != "":
		c.Response().Header().Set(headerIdempotencyKey, given)
		return given, nil
	case id != 0:
		return "agentTransactionId " + id.String(), nil // a header cannot hold a space: no caller's key is this one
	}
	return "", badParameter(headerIdempotencyKey, ruleRequired,
		"or agentTransactionId is required: send one of them, a new one for each payment and the same one again when you repeat a request, so that it is paid once")
}

// ofGivenKey reads an error of acceptance: where the caller gave no key, another request
// under it is another request under its agentTransactionId.
func ofGivenKey(err error, given string) error {
	if given == "" && errors.Is(err, storage.ErrKeyReused) {
		return storage.ErrIDTaken
	}
	return err
}

// batchKey reads the header of a batch.
func batchKey(h http.Header) (string, error) {
	key, err := requiredKey(h, "a batch")
	switch {
	case err != nil:
		return "", err
	case len(key) > maxBatchKey:
		return "", badParameter(headerIdempotencyKey, ruleTooLong, fmt.Sprintf("must have at most %d characters for a batch", maxBatchKey))
	}
	return key, nil
}

// replayed says in the answer that an earlier request did what it shows.
func replayed(c echo.Context) { c.Response().Header().Set("Idempotent-Replay", "true") }
