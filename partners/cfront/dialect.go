package cfront

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"tolem/partners/call"
)

// Partner names this protocol in errors, metrics and logs.
const Partner = "cfront"

// The operations, as the document names them (cfront.md 4). They are the keys of
// Dialect.Paths.
const (
	opValidate   = "client/validate"
	opCreate     = "order/create"
	opState      = "order/state"
	opConfirm    = "order/confirm"
	opReject     = "order/reject"
	opCheckPaid  = "order/check/paid"
	opLetterData = "order/data/for/guarantee/letter"
	opLetterPDF  = "order/guarantee/letter"
	opReturn     = "order/return"
	opOrderData  = "order/data"
	opReport     = "store/report"
)

var operations = []string{opValidate, opCreate, opState, opConfirm, opReject, opCheckPaid, opLetterData, opLetterPDF, opReturn, opOrderData, opReport}

// Dialect is what differs between banks of this family (cfront.md 11). The zero value is
// what all sources support.
type Dialect struct {
	PathPrefix string            `json:"path_prefix,omitempty"` // between URL and operation; "" is /api
	Paths      map[string]string `json:"paths,omitempty"`       // operation → path after the URL, where one differs
	// StoreIDHeader and SignatureHeader are the headers' names; "" are store-id and
	// signature.
	StoreIDHeader   string `json:"store_id_header,omitempty"`
	SignatureHeader string `json:"signature_header,omitempty"`
	Unsigned        bool   `json:"unsigned,omitempty"` // the bank signs nothing and checks nothing
	// CreatedStatus, DuplicateStatus and NotFoundStatus are what create answers for a new
	// order (200, 201) and for one that is there (409), and what "no such order" is (404).
	CreatedStatus   []int `json:"created_status,omitempty"`
	DuplicateStatus []int `json:"duplicate_status,omitempty"`
	NotFoundStatus  []int `json:"not_found_status,omitempty"`
	// ClientNotFoundStatus is how validate says that it does not know a client: "ответит
	// ошибкой, что такой клиент не найден" (404); found:false is understood always.
	ClientNotFoundStatus   []int `json:"client_not_found_status,omitempty"`
	MoneyAsText            bool  `json:"money_as_text,omitempty"` // "500.00" in place of 500.00
	ValidateV2             bool  `json:"validate_v2,omitempty"`
	LetterV2               bool  `json:"letter_v2,omitempty"`
	CheckResponseSignature bool  `json:"check_response_signature,omitempty"`
}

// ownHeaders are set by every call, or by net/http alone.
var ownHeaders = []string{"accept", "connection", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding", "x-idempotency-key"}

// Check says what is wrong with a dialect; its errors name the field.
func (d Dialect) Check() error {
	if err := d.checkHeaders(); err != nil {
		return err
	}
	for operation, path := range d.Paths {
		if !slices.Contains(operations, operation) {
			return fmt.Errorf("paths has %q, which is no operation: want one of %s", operation, strings.Join(operations, ", "))
		}
		if !isPath(path) {
			return fmt.Errorf("paths.%s must begin with a slash and have no query", operation)
		}
	}
	if d.PathPrefix != "" && !isPath(d.PathPrefix) {
		return errors.New("path_prefix must begin with a slash and have no query")
	}
	success := func(status int) bool { return status >= 200 && status <= 299 }
	for field, c := range map[string]struct {
		statuses []int
		may      func(int) bool
		which    string
	}{
		"created_status":          {d.CreatedStatus, success, "2xx"},
		"duplicate_status":        {d.DuplicateStatus, func(s int) bool { return success(s) || call.Rejects(s) }, "2xx, or a 4xx that refuses"},
		"not_found_status":        {d.NotFoundStatus, call.Rejects, "a 4xx that refuses"},
		"client_not_found_status": {d.ClientNotFoundStatus, call.Rejects, "a 4xx that refuses"},
	} {
		for _, status := range c.statuses {
			if !c.may(status) {
				return fmt.Errorf("%s has %d, which is not %s", field, status, c.which)
			}
		}
	}
	return nil
}

func (d Dialect) checkHeaders() error {
	for _, name := range []string{d.StoreIDHeader, d.SignatureHeader} {
		switch {
		case name == "":
		case !call.HeaderValue(name) || strings.ContainsAny(name, "():<>?@[\\]{}/\",;="):
			return errors.New("store_id_header and signature_header must be names of HTTP headers")
		case slices.Contains(ownHeaders, strings.ToLower(name)):
			return fmt.Errorf("store_id_header and signature_header must not be %s", name)
		}
	}
	if f := d.filled(); strings.EqualFold(f.StoreIDHeader, f.SignatureHeader) {
		return errors.New("store_id_header and signature_header are the same")
	}
	return nil
}

func isPath(path string) bool {
	return strings.HasPrefix(path, "/") && call.HeaderValue(path) && !strings.ContainsAny(path, "?#")
}

// filled is the dialect with its defaults.
func (d Dialect) filled() Dialect {
	for _, s := range []struct {
		into     *[]int
		defaults []int
	}{
		{&d.CreatedStatus, []int{http.StatusOK, http.StatusCreated}}, {&d.DuplicateStatus, []int{http.StatusConflict}},
		{&d.NotFoundStatus, []int{http.StatusNotFound}}, {&d.ClientNotFoundStatus, []int{http.StatusNotFound}},
	} {
		if len(*s.into) == 0 {
			*s.into = s.defaults
		}
	}
	if d.StoreIDHeader == "" {
		d.StoreIDHeader = "store-id"
	}
	if d.SignatureHeader == "" {
		d.SignatureHeader = "signature"
	}
	if d.PathPrefix == "" {
		d.PathPrefix = "/api"
	}
	d.Paths = maps.Clone(d.Paths)
	return d
}

// path is where an operation is called.
func (d Dialect) path(operation string) string {
	if path, ok := d.Paths[operation]; ok {
		return path
	}
	version := ""
	if operation == opValidate && d.ValidateV2 || operation == opLetterData && d.LetterV2 {
		version = "/v2"
	}
	return strings.TrimRight(d.PathPrefix, "/") + version + "/" + operation
}
