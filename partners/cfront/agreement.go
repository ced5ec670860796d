package cfront

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"tolem/domain"
)

// Agreement is what a store and its bank have agreed on, beside the protocol: "Банк
// предоставит вам названия и сроки для продуктов, которые нужно будет в точности
// повторить в вашей системе".
type Agreement struct {
	// CreditProducts are what the store may offer: names and terms exactly as the bank
	// wrote them. At least one.
	CreditProducts []CreditProduct `json:"credit_products"`
	// PointsOfSale are the codes that the bank registered. None: the bank takes the
	// store's codes "без дополнительных проверок".
	PointsOfSale []string `json:"points_of_sale,omitempty"`
	// PointRequired says that every order names its point of sale.
	PointRequired bool `json:"point_required,omitempty"`
	// MinTotal and MaxTotal bound an order's total_sum; none: the bank says.
	MinTotal *domain.Money `json:"min_total,omitempty"`
	MaxTotal *domain.Money `json:"max_total,omitempty"`
	// CheckPaid is what check/paid tells; "" is the document's pay-out.
	CheckPaid CheckPaidMeaning `json:"check_paid,omitempty"`
	// SubStates is what this bank's sub-states mean where it differs from the document.
	SubStates domain.BankWords `json:"sub_states,omitempty"`
	Dialect   Dialect          `json:"dialect,omitzero"`
}

// CreditProduct is one product of the bank: usually one for each term.
type CreditProduct struct {
	Name  string `json:"name"`
	Parts int    `json:"parts"` // payments, the product's term
}

// CheckPaidMeaning is what fully_paid of check/paid is about.
type CheckPaidMeaning string

// The meanings: the document asks check/paid for "информации о состоянии выплаты", the
// pay-out to the store; the sibling protocol tells whether the client has repaid
// everything.
const (
	CheckPaidPayout       CheckPaidMeaning = "payout"
	CheckPaidClientRepaid CheckPaidMeaning = "client_repaid"
)

// PaidByState says that check/paid is about the client's repayment, so that a confirmed order
// counts as paid out.
func (a Agreement) PaidByState() bool { return a.CheckPaid == CheckPaidClientRepaid }

// ErrAgreement is wrapped by every error of ReadAgreement.
var ErrAgreement = errors.New("not an agreement with the bank")

// maxAgreement bounds the file, in bytes: a bank's hundred products take ten KB.
const maxAgreement = 1 << 20

// leastTotal is what every bank asks for at least (cfront.md 4.3).
const leastTotal domain.Money = 100

// ReadAgreement reads one JSON object. Unknown fields are refused: a misspelt one
// would silently be the default.
func ReadAgreement(r io.Reader) (Agreement, error) {
	var a Agreement
	text, err := io.ReadAll(io.LimitReader(r, maxAgreement+1))
	switch {
	case err != nil:
		return Agreement{}, fmt.Errorf("%w: %w", ErrAgreement, err)
	case len(text) > maxAgreement:
		return Agreement{}, fmt.Errorf("%w: it is longer than 1 MiB", ErrAgreement)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		return Agreement{}, fmt.Errorf("%w: %w", ErrAgreement, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Agreement{}, fmt.Errorf("%w: there is something after the object", ErrAgreement)
	}
	if err := a.Check(); err != nil {
		return Agreement{}, err
	}
	return a, nil
}

// Check says what is wrong with an agreement; its errors name the field.
func (a Agreement) Check() error {
	bad := func(field, rule string) error { return fmt.Errorf("%w: %s %s", ErrAgreement, field, rule) }
	if len(a.CreditProducts) == 0 {
		return bad("credit_products", "must name at least one product")
	}
	for i, p := range a.CreditProducts {
		field := fmt.Sprintf("credit_products[%d]", i)
		switch {
		case p.Name == "":
			return bad(field, "has no name")
		case p.Parts < 1:
			return bad(field, "must have at least one part")
		case slices.Contains(a.CreditProducts[:i], p):
			return bad(field, "stands twice")
		}
	}
	for i, point := range a.PointsOfSale {
		if point == "" || slices.Contains(a.PointsOfSale[:i], point) {
			return bad(fmt.Sprintf("points_of_sale[%d]", i), "is empty or stands twice")
		}
	}
	for subState, meaning := range a.SubStates {
		if !meaning.Known() {
			return bad("sub_states."+subState, "must be pending, ready, active, done, returned, failed or unknown")
		}
	}
	switch a.CheckPaid {
	case "", CheckPaidPayout, CheckPaidClientRepaid:
	default:
		return bad("check_paid", "must be payout or client_repaid")
	}
	for field, limit := range map[string]*domain.Money{"min_total": a.MinTotal, "max_total": a.MaxTotal} {
		if limit != nil && *limit < leastTotal {
			return bad(field, "must be at least 1.00, the bank's least total_sum")
		}
	}
	if a.MinTotal != nil && a.MaxTotal != nil && *a.MinTotal > *a.MaxTotal {
		return bad("min_total", "is above max_total")
	}
	if err := a.Dialect.Check(); err != nil {
		return fmt.Errorf("%w: dialect: %w", ErrAgreement, err)
	}
	return nil
}

// Offers says whether the bank and the store agreed on a product with just this name
// and term.
func (a Agreement) Offers(p CreditProduct) bool { return slices.Contains(a.CreditProducts, p) }

// TakesPoint says whether the bank takes orders of a point of sale.
func (a Agreement) TakesPoint(id string) bool {
	return len(a.PointsOfSale) == 0 || slices.Contains(a.PointsOfSale, id)
}
