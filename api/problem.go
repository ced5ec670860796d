package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"tolem/domain"
	"tolem/partners/processing"
	"tolem/storage"
)

// problemCode is a problem's stable name; programs decide by it.
type problemCode string

// The problems.
const (
	invalidRequest       problemCode = "invalid_request"
	invalidParameter     problemCode = "invalid_parameter"
	unauthorized         problemCode = "unauthorized"
	forbidden            problemCode = "forbidden"
	notFound             problemCode = "not_found"
	methodNotAllowed     problemCode = "method_not_allowed"
	requestTimeout       problemCode = "request_timeout"
	idTaken              problemCode = "id_taken"
	alreadyChosen        problemCode = "already_chosen"
	notAwaitingPayer     problemCode = "not_awaiting_payer"
	bodyTooLarge         problemCode = "body_too_large"
	unknownHost          problemCode = "unknown_host"
	unsupportedMediaType problemCode = "unsupported_media_type"
	idempotencyKeyReused problemCode = "idempotency_key_reused"
	partnerRefused       problemCode = "partner_refused"
	internalError        problemCode = "internal"
	partnerUnavailable   problemCode = "partner_unavailable"
	ledgerUnavailable    problemCode = "ledger_unavailable"
	ledgerRestored       problemCode = "ledger_restored"
	ledgerReconciling    problemCode = "ledger_reconciling"
	catalogueUnavailable problemCode = "catalogue_unavailable"
	reconciliationBusy   problemCode = "reconciliation_busy"
	partnerTimeout       problemCode = "partner_timeout"
	temporalUnavailable  problemCode = "temporal_unavailable"
	tooManyMatched       problemCode = "too_many_matched"
	orderIDTaken         problemCode = "store_order_id_taken"
	alreadyDecided       problemCode = "already_decided"
	notDeciding          problemCode = "not_deciding"
	noLetter             problemCode = "no_letter"
	returnIDTaken        problemCode = "store_return_id_taken"
	notReturnable        problemCode = "not_returnable"
	returnTooLarge       problemCode = "return_too_large"
	returnOpen           problemCode = "return_under_way"
	badSignature         problemCode = "bad_signature"
	askedTooSoon         problemCode = "asked_too_soon"
	bankRefused          problemCode = "bank_refused"
	bankUnavailable      problemCode = "bank_unavailable"
	bankTimeout          problemCode = "bank_timeout"
	statusNotPossible    problemCode = "status_not_possible"
	overpaid             problemCode = "overpaid"
)

// retrySoon is the Retry-After, in seconds, of what usually passes by itself.
const retrySoon = 5

// retryRestored is that of what people end, in seconds.
const retryRestored = 30

// problemRow is what a code says to everybody.
type problemRow struct {
	status     int
	title      string
	retryAfter int // seconds; 0 sends no Retry-After
}

// problems is the one table from code to status.
var problems = map[problemCode]problemRow{
	invalidRequest:       {http.StatusBadRequest, "The body breaks a rule", 0},
	invalidParameter:     {http.StatusBadRequest, "A parameter or header breaks a rule", 0},
	unauthorized:         {http.StatusUnauthorized, "No valid token", 0},
	forbidden:            {http.StatusForbidden, "The token's role does not allow this", 0},
	notFound:             {http.StatusNotFound, "There is nothing here", 0},
	methodNotAllowed:     {http.StatusMethodNotAllowed, "The path does not take this method", 0},
	requestTimeout:       {http.StatusRequestTimeout, "The request did not come whole in time", 0},
	idTaken:              {http.StatusConflict, "Another payment holds this agentTransactionId", 0},
	alreadyChosen:        {http.StatusConflict, "The payer chose otherwise before", 0},
	notAwaitingPayer:     {http.StatusConflict, "The payment does not wait for its payer", 0},
	bodyTooLarge:         {http.StatusRequestEntityTooLarge, "The body is too large", 0},
	unsupportedMediaType: {http.StatusUnsupportedMediaType, "The body has another media type", 0},
	unknownHost:          {http.StatusMisdirectedRequest, "The Host header is no name of this server", 0},
	idempotencyKeyReused: {http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another request", 0},
	partnerRefused:       {http.StatusUnprocessableEntity, "The processing centre refused", 0},
	internalError:        {http.StatusInternalServerError, "Something broke on our side", 0},
	partnerUnavailable:   {http.StatusBadGateway, "The processing centre gave no answer", retrySoon},
	ledgerUnavailable:    {http.StatusServiceUnavailable, "The ledger does not answer", retrySoon},
	ledgerRestored:       {http.StatusServiceUnavailable, "The ledger was restored from an older state", retryRestored},
	ledgerReconciling:    {http.StatusServiceUnavailable, "The restored ledger is being compared with the partners", retryRestored},
	catalogueUnavailable: {http.StatusServiceUnavailable, "The catalogue of services is not known", retrySoon},
	reconciliationBusy:   {http.StatusServiceUnavailable, "Other registers are being compared", retrySoon},
	partnerTimeout:       {http.StatusGatewayTimeout, "The processing centre did not answer in time", retrySoon},
	temporalUnavailable:  {http.StatusServiceUnavailable, "The process does not answer", retrySoon},
	tooManyMatched:       {http.StatusUnprocessableEntity, "The filter matches too many payments", 0},
	orderIDTaken:         {http.StatusConflict, "Another order holds this store_order_id", 0},
	alreadyDecided:       {http.StatusConflict, "The store decided otherwise before", 0},
	notDeciding:          {http.StatusConflict, "The order does not take this decision now", 0},
	noLetter:             {http.StatusNotFound, "The bank has no contract for this order", 0},
	returnIDTaken:        {http.StatusConflict, "Another return of this order holds this store_return_id", 0},
	notReturnable:        {http.StatusConflict, "There is nothing to return", 0},
	returnTooLarge:       {http.StatusUnprocessableEntity, "More would be returned than was sold", 0},
	returnOpen:           {http.StatusConflict, "Another return of this order is under way", retrySoon},
	badSignature:         {http.StatusUnauthorized, "No valid signature", 0},
	askedTooSoon:         {http.StatusTooManyRequests, "The bank was asked for this phone just now", 0},
	bankRefused:          {http.StatusUnprocessableEntity, "The bank refused", 0},
	bankUnavailable:      {http.StatusBadGateway, "The bank gave no answer", retrySoon},
	bankTimeout:          {http.StatusGatewayTimeout, "The bank did not answer in time", retrySoon},
	statusNotPossible:    {http.StatusConflict, "The payment order takes no such status now", 0},
	overpaid:             {http.StatusUnprocessableEntity, "More would be paid than the payment order is for", 0},
}

// Every refusal of an action is a problem of its own name, whatever it was asked of.
func init() {
	for _, all := range []map[domain.Refusal]string{refusals, orderRefusals, paymentOrderRefusals, incidentRefusals} {
		for why := range all {
			problems[problemCode(why)] = problemRow{http.StatusConflict, "The action is not possible now", 0}
		}
	}
	for _, why := range []domain.Refusal{
		domain.RefusalNotProposed, domain.RefusalEventPublished, domain.RefusalEventSetAside, domain.RefusalEventNotDue, domain.RefusalTopicNotRead,
	} {
		problems[problemCode(why)] = problemRow{http.StatusConflict, "The payment order does not take this action now", 0}
	}
}

// fieldError is what is wrong with one field. It states the rule and never
// repeats the value.
type fieldError struct {
	Field   string `json:"field"` // "" is the body as a whole
	Code    string `json:"code"`
	Message string `json:"message"`
}

// lineError is what is wrong with one line of a register. It states the rule and
// never repeats a value.
type lineError struct {
	Line    int    `json:"line"`   // from 1, the header's
	Column  string `json:"column"` // "" is the line as a whole
	Code    string `json:"code"`
	Message string `json:"message"`
}

// problem is an error that knows its answer.
type problem struct {
	code       problemCode
	status     int // 0 is that of the code
	detail     string
	fields     []fieldError
	lines      []lineError
	resultCode *domain.Code // of partnerRefused
	cause      error        // for the log, never shown
}

// Error names the code and the cause.
func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %v", p.code, p.cause)
	}
	return string(p.code)
}

// Unwrap is the cause.
func (p *problem) Unwrap() error { return p.cause }

// badParameter is a query parameter or header that breaks a rule.
func badParameter(name, code, rule string) *problem {
	return &problem{
		code: invalidParameter, detail: name + " " + rule,
		fields: []fieldError{{Field: name, Code: code, Message: rule}},
	}
}

// fromLedger reads an error of the ledger: its own words are kept, a value or statement that
// the database refused is our mistake, and everything else means that it does not answer.
func fromLedger(err error) error {
	for _, known := range []error{storage.ErrNotFound, storage.ErrIDTaken, storage.ErrKeyReused, storage.ErrCursor} {
		if errors.Is(err, known) {
			return err
		}
	}
	if refused := storage.Refused(err); refused != nil {
		return &problem{code: internalError, cause: refused}
	}
	if errors.Is(err, storage.ErrRestored) {
		return restored(err)
	}
	return &problem{code: ledgerUnavailable, detail: "send the same request again; with the same Idempotency-Key it takes effect once", cause: err}
}

// problemOf reads any error; one that nobody knows is internal, with a fixed
// text.
func problemOf(err error) *problem {
	var known *problem
	var framework *echo.HTTPError
	var tooLarge *http.MaxBytesError
	var refusal *processing.Refusal
	var failure *processing.Failure
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, storage.ErrNotFound):
		return &problem{code: notFound, detail: "the ledger holds no such payment that you may see"}
	case errors.Is(err, storage.ErrIDTaken):
		return &problem{code: idTaken, detail: "to repeat an earlier request, send it with the Idempotency-Key that it had; for another payment choose another agentTransactionId, or leave it out"}
	case errors.Is(err, storage.ErrKeyReused):
		return &problem{code: idempotencyKeyReused, detail: "use a new Idempotency-Key for another request"}
	case errors.Is(err, storage.ErrCursor):
		return badParameter("cursor", ruleFormat, "must be the next of an earlier page")
	case errors.As(err, &tooLarge):
		return &problem{code: bodyTooLarge, detail: fmt.Sprintf("a body has at most %d bytes", tooLarge.Limit)}
	case errors.As(err, &refusal):
		return &problem{
			code: partnerRefused, resultCode: &refusal.Code,
			detail: fmt.Sprintf("code %d: %s", refusal.Code, refusal.Code.Text()),
		}
	case errors.As(err, &failure):
		return fromPartner(failure)
	case errors.As(err, &framework):
		return fromFramework(framework)
	}
	return &problem{code: internalError, cause: err}
}

func fromPartner(f *processing.Failure) *problem {
	if f.Reason == processing.ReasonTimeout {
		return &problem{code: partnerTimeout, detail: "nothing was changed; ask again later", cause: f}
	}
	return &problem{code: partnerUnavailable, detail: "nothing was changed; ask again later", cause: f}
}

// fromFramework reads what Echo's router and helpers return.
func fromFramework(e *echo.HTTPError) *problem {
	switch e.Code {
	case http.StatusNotFound:
		return &problem{code: notFound, detail: "no route has this path; /openapi.yaml lists them"}
	case http.StatusMethodNotAllowed:
		return &problem{code: methodNotAllowed, detail: "the header Allow names the methods"}
	case http.StatusRequestEntityTooLarge:
		return &problem{code: bodyTooLarge, detail: fmt.Sprintf("a body has at most %d bytes", maxBody)}
	case http.StatusUnsupportedMediaType:
		return &problem{code: unsupportedMediaType, detail: mediaTypeRule}
	}
	return &problem{code: internalError, cause: e}
}

// problemJSON is RFC 9457's shape with our extensions.
type problemJSON struct {
	Type       string       `json:"type"`
	Title      string       `json:"title"`
	Status     int          `json:"status"`
	Detail     string       `json:"detail,omitempty"`
	Code       problemCode  `json:"code"`
	Instance   string       `json:"instance"` // the request's id, in our log too
	ResultCode *domain.Code `json:"resultCode,omitempty"`
	Errors     []fieldError `json:"errors,omitempty"`
	Lines      []lineError  `json:"lines,omitempty"`
}

// writeProblem is the only function that answers with a problem. It is Echo's
// error handler too.
func (s *Server) writeProblem(err error, c echo.Context) {
	if c.Response().Committed {
		return // the answer is on its way; observe logs the error
	}
	p := problemOf(err)
	row := problems[p.code]
	if p.status != 0 {
		row.status = p.status
	}
	detail := p.detail
	switch {
	case p.code == internalError:
		detail = "the cause is in our log under the instance; sending the same request again is safe with its Idempotency-Key"
	case errors.Is(p.cause, context.Canceled):
		detail = "the request was given up"
	}
	if row.retryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(row.retryAfter))
	}
	_ = writeJSON(c, row.status, "application/problem+json", problemJSON{ // the caller has gone; nobody else wants to know
		Type: "urn:tolem:problem:" + string(p.code), Title: row.title, Status: row.status, Detail: detail,
		Code: p.code, Instance: requestID(c), ResultCode: p.resultCode, Errors: p.fields, Lines: p.lines,
	})
}
