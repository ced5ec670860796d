package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"tolem/activities"
	"tolem/cmd/tolem/certificates"
	"tolem/domain"
	"tolem/partners/abs"
	"tolem/partners/k2"
	"tolem/partners/loxon"
	"tolem/storage/files"
	"tolem/workflows"
)

// Collection is what differs between one card file of encumbrances and another.
type Collection struct {
	ABS       abs.Options        // ABS_CLIENT_URL, ABS_ACCOUNTS_URL, ABS_STATEMENT_URL, ABS_SCAN_URL, ABS_DATE_LAYOUT
	ABSTLS    certificates.Files // ABS_TLS_CA, ABS_TLS_CERT, ABS_TLS_KEY, for all four
	Loxon     loxon.Options      // KAFKA_BROKERS, LOXON_TOPIC, KAFKA_SASL, KAFKA_USER, KAFKA_PASSWORD
	Encrypted bool               // KAFKA_TLS
	KafkaTLS  certificates.Files // KAFKA_TLS_CA, KAFKA_TLS_CERT, KAFKA_TLS_KEY
	BIC       string             // BANK_BIC
	Rules     k2.Rules           // K2_CHECK_DIGITS
	GuessDate bool               // K2_CONTRACT_DATE: receipt or operator
	Documents string             // DOCUMENTS_DIR: scans, by their digests; workers of one Tolem share it
	// Terms are RETRY_INITIAL, COLLECTION_RETRY_MAX and COLLECTION_RAISE, and PARTNER_TIMEOUT.
	Terms workflows.CollectionTerms
}

// Defaults of the environment: the simulated core banking system and a broker of one's own.
const (
	defaultABSURL    = "http://127.0.0.1:8091/abs"
	defaultBrokers   = "127.0.0.1:9092"
	defaultTopic     = "loxon"
	simulatorsBIC    = "HSBKKZKX" // the document's
	defaultDocuments = "documents"
)

// probeLimit bounds the look at Loxon's topic when a worker starts.
const probeLimit = 5 * time.Second

// readCollection reads the card file's part of the environment. Without ABS_CLIENT_URL it is
// the simulated core banking system, which is asked by numbers whose check digits need not be
// right.
func readCollection(get func(name, otherwise string) string, note func(string, error)) Collection {
	simulated := get("ABS_CLIENT_URL", "") == ""
	c := Collection{
		ABS: abs.Options{
			ClientURL: get("ABS_CLIENT_URL", defaultABSURL+"/client"), AccountsURL: get("ABS_ACCOUNTS_URL", defaultABSURL+"/accounts"),
			StatementURL: get("ABS_STATEMENT_URL", defaultABSURL+"/statement"), ScanURL: get("ABS_SCAN_URL", defaultABSURL+"/scan"),
			DateLayout: get("ABS_DATE_LAYOUT", time.DateOnly),
		},
		Loxon: loxon.Options{
			Brokers: strings.Split(get("KAFKA_BROKERS", defaultBrokers), ","), Topic: get("LOXON_TOPIC", defaultTopic),
			SASL: loxon.SASL{Mechanism: get("KAFKA_SASL", ""), User: get("KAFKA_USER", ""), Password: get("KAFKA_PASSWORD", "")},
		},
		Documents: get("DOCUMENTS_DIR", defaultDocuments), BIC: get("BANK_BIC", ""),
	}
	if !simulated {
		for _, name := range []string{"ABS_ACCOUNTS_URL", "ABS_STATEMENT_URL", "ABS_SCAN_URL"} {
			if get(name, "") == "" {
				note(name, errors.New("is needed with ABS_CLIENT_URL"))
			}
		}
	} else if c.BIC == "" {
		c.BIC = simulatorsBIC
	}
	if !domain.IsBIC(c.BIC) {
		note("BANK_BIC", errors.New("want the bank's BIC, of 8 or 11 characters"))
	}
	strict := "yes"
	if simulated {
		strict = "no"
	}
	c.Rules.CheckDigits = choose(get, note, "K2_CHECK_DIGITS", strict, "yes", "no")
	c.GuessDate = choose(get, note, "K2_CONTRACT_DATE", "receipt", "receipt", "operator")
	c.ABSTLS = readTLS(get, note, "ABS", c.absAddresses()...)
	c.KafkaTLS = readTLS(get, note, "KAFKA")
	if c.Encrypted = choose(get, note, "KAFKA_TLS", "no", "yes", "no"); !c.Encrypted && !c.KafkaTLS.Empty() {
		note("KAFKA_TLS_*", errors.New("is set, but KAFKA_TLS is not yes: nothing would be encrypted"))
	}
	readDurations(get, note, []duration{
		{"COLLECTION_RETRY_MAX", "30s", 10 * time.Millisecond, 24 * time.Hour, &c.Terms.Again.Most},
		{"COLLECTION_RAISE", "4h", time.Second, 365 * 24 * time.Hour, &c.Terms.RaiseAfter},
	})
	return c
}

// choose reads one of two words and says whether it is the first.
func choose(get func(name, otherwise string) string, note func(string, error), name, otherwise, first, second string) bool {
	word := get(name, otherwise)
	if word != first && word != second {
		note(name, fmt.Errorf("want %s or %s", first, second))
	}
	return word == first
}

// absAddresses are those of the core banking system's services.
func (c Collection) absAddresses() []address {
	return []address{
		{"ABS_CLIENT_URL", c.ABS.ClientURL}, {"ABS_ACCOUNTS_URL", c.ABS.AccountsURL},
		{"ABS_STATEMENT_URL", c.ABS.StatementURL}, {"ABS_SCAN_URL", c.ABS.ScanURL},
	}
}

// system speaks with the core banking system.
func (c Collection) system() (system *abs.Client, err error) {
	o := c.ABS
	if o.TLS, err = partnerTLS("ABS", c.ABSTLS); err != nil {
		return nil, err
	}
	if system, err = abs.New(o); err != nil {
		return nil, fmt.Errorf("%w: ABS_*_URL, ABS_DATE_LAYOUT: %w", ErrConfig, err)
	}
	return system, nil
}

// topic is Loxon's topic, with who we are and whom we believe.
func (c Collection) topic() (o loxon.Options, err error) {
	o = c.Loxon
	if o.TLS, err = partnerTLS("KAFKA", c.KafkaTLS); err != nil {
		return loxon.Options{}, err
	}
	if c.Encrypted && o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12} // the system's authorities
	}
	return o, nil
}

// producer tells Loxon.
func (c Collection) producer() (*loxon.Producer, error) {
	o, err := c.topic()
	if err != nil {
		return nil, err
	}
	producer, err := loxon.New(o)
	if err != nil {
		return nil, fmt.Errorf("%w: KAFKA_*, LOXON_TOPIC: %w", ErrConfig, err)
	}
	return producer, nil
}

// collection assembles what a worker needs of the card file. A topic that is not there is
// said at once; events wait for it.
func (r *Running) collection(ctx context.Context, c Config, metrics *activities.Metrics) (*activities.Collection, error) {
	system, err := c.Collection.system()
	if err != nil {
		return nil, err
	}
	if r.loxon, err = c.Collection.producer(); err != nil {
		return nil, err
	}
	documents, err := files.Open(c.Collection.Documents)
	if err != nil {
		return nil, fmt.Errorf("DOCUMENTS_DIR: %w", err)
	}
	probe, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	if err := r.loxon.Probe(probe); err != nil {
		slog.ErrorContext(ctx, "Loxon cannot be told now; its events wait in the ledger", "error", err)
	}
	return &activities.Collection{
		Ledger: r.ledger, ABS: system, Files: documents, Loxon: r.loxon, Topic: c.Collection.Loxon.Topic, BIC: c.Collection.BIC,
		Zone: c.Location, GuessDate: c.Collection.GuessDate, Metrics: metrics,
	}, nil
}

// contractSweep starts what the ledger has of contracts and Temporal has not.
func (r *Running) contractSweep(c Config, metrics *activities.Metrics) *activities.ContractSweep {
	return &activities.ContractSweep{Ledger: r.ledger, Temporal: r.temporal, Metrics: metrics, Start: r.startContract(c)}
}

func (r *Running) loans(c Config, metrics *activities.Metrics) *activities.Loans {
	return &activities.Loans{Ledger: r.ledger, Metrics: metrics, Start: r.startContract(c)}
}

func (r *Running) startContract(c Config) func(context.Context, domain.ContractNumber) error {
	return func(ctx context.Context, contract domain.ContractNumber) error {
		return workflows.WakeContract(ctx, r.temporal, c.Collection.Terms.Input(contract), domain.CauseNews)
	}
}
