package app

import (
	"bytes"
	_ "embed" // the simulated bank's agreement
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"tolem/cmd/tolem/certificates"
	"tolem/partners/cfront"
	"tolem/workflows"
)

// CFRONT is what differs between one bank of trade instalments and another.
type CFRONT struct {
	URL     string // CFRONT_URL: up to and without /api
	StoreID string // CFRONT_STORE_ID
	Secret  string // CFRONT_SECRET
	// CallbackURL is where the bank reaches our API, up to and without /callbacks; ""
	// asks for no callbacks: then polling alone brings news. CFRONT_CALLBACK_URL.
	CallbackURL string
	TLS         certificates.Files // CFRONT_TLS_CA, CFRONT_TLS_CERT, CFRONT_TLS_KEY
	Agreement   cfront.Agreement   // CFRONT_AGREEMENT: the content of that file
	// Terms are CFRONT_POLL_FIRST, CFRONT_POLL_MAX, CFRONT_PAYOUT_POLL_MAX, CFRONT_RAISE
	// and CFRONT_PAYOUT_RAISE, and PARTNER_TIMEOUT.
	Terms workflows.OrderTerms
}

// Defaults of the environment: the simulated bank, which asks for just these.
const (
	defaultCFRONTURL     = "http://127.0.0.1:8091/cfront"
	defaultCFRONTStoreID = "simulator-store"
	defaultCFRONTSecret  = "simulator-secret"
)

// DevelopmentAgreement is what the store has agreed on with the simulated bank: the
// content of a file such as CFRONT_AGREEMENT names.
//
//go:embed agreement.json
var DevelopmentAgreement []byte

// readCFRONT reads the bank's part of the environment. Without CFRONT_URL it is the
// simulated bank; with it, the agreement must be given: nobody can guess a bank's
// products.
func readCFRONT(get func(name, otherwise string) string, callback string, note func(string, error)) CFRONT {
	c := CFRONT{URL: get("CFRONT_URL", ""), StoreID: get("CFRONT_STORE_ID", ""), Secret: get("CFRONT_SECRET", ""), CallbackURL: get("CFRONT_CALLBACK_URL", "")}
	simulated := c.URL == ""
	if simulated {
		c.URL, c.StoreID, c.Secret = defaultCFRONTURL, get("CFRONT_STORE_ID", defaultCFRONTStoreID), get("CFRONT_SECRET", defaultCFRONTSecret)
		c.CallbackURL = get("CFRONT_CALLBACK_URL", callback)
	}
	c.TLS = readTLS(get, note, "CFRONT", address{"CFRONT_URL", c.URL})
	if c.CallbackURL != "" {
		u, err := url.Parse(c.CallbackURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil {
			note("CFRONT_CALLBACK_URL", errors.New("want http(s)://host[:port][/path], where the bank reaches the API"))
		}
		c.CallbackURL = strings.TrimRight(c.CallbackURL, "/")
	}
	var err error
	switch path := get("CFRONT_AGREEMENT", ""); {
	case path != "":
		c.Agreement, err = readAgreement(path)
	case simulated:
		c.Agreement, err = cfront.ReadAgreement(bytes.NewReader(DevelopmentAgreement))
	default:
		err = errors.New("is needed with CFRONT_URL: the file with the credit products that the bank gave you")
	}
	note("CFRONT_AGREEMENT", err)
	t := &c.Terms
	readDurations(get, note, []duration{
		{"CFRONT_POLL_FIRST", "2s", 10 * time.Millisecond, time.Hour, &t.Poll.First},
		{"CFRONT_POLL_MAX", "1m", 10 * time.Millisecond, 24 * time.Hour, &t.Poll.Most},
		{"CFRONT_PAYOUT_POLL_MAX", "1h", 10 * time.Millisecond, 24 * time.Hour, &t.PayoutPoll.Most},
		{"CFRONT_RAISE", "15m", time.Second, 365 * 24 * time.Hour, &t.RaiseAfter},
		{"CFRONT_PAYOUT_RAISE", "72h", time.Second, 365 * 24 * time.Hour, &t.PayoutRaiseAfter},
	})
	t.PayoutPoll.First = t.Poll.First
	return c
}

func readAgreement(path string) (cfront.Agreement, error) {
	file, err := os.Open(path)
	if err != nil {
		return cfront.Agreement{}, err
	}
	defer func() { _ = file.Close() }() // only read
	a, err := cfront.ReadAgreement(file)
	if err != nil {
		return a, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// client speaks with the bank.
func (c CFRONT) client() (*cfront.Client, error) {
	settings, err := partnerTLS("CFRONT", c.TLS)
	if err != nil {
		return nil, err
	}
	client, err := cfront.New(cfront.Options{
		URL: c.URL, StoreID: c.StoreID, Secret: c.Secret, Timeout: c.Terms.PartnerTimeout, Dialect: c.Agreement.Dialect, TLS: settings,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: CFRONT_URL, CFRONT_STORE_ID, CFRONT_SECRET: %w", ErrConfig, err)
	}
	return client, nil
}
