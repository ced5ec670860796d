package app

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// Variable is a setting of the environment.
type Variable struct {
	Name string
	// Secret ones may be in a file instead, which Name and _FILE name; the end of its last
	// line is no part of the secret.
	Secret bool
}

// ours are all that Read asks for: what is not listed cannot be asked for.
var ours = []Variable{
	{"DATABASE_URL", true},                                                   // it holds a password
	{"TEMPORAL_DEPLOYMENT_NAME", false}, {"TEMPORAL_WORKER_BUILD_ID", false}, // as Temporal's own controller sets them
	{"ALLOW_PLAINTEXT", false},
	{"API_ADDR", false}, {"API_HOSTS", false}, {"METRICS_ADDR", false}, {"API_TOKENS", true},
	{"API_TLS_CERT", false}, {"API_TLS_KEY", false}, {"API_TLS_CLIENT_CA", false}, // these and those below are paths
	{"PROCESSING_TLS_CA", false}, {"PROCESSING_TLS_CERT", false}, {"PROCESSING_TLS_KEY", false},
	{"CFRONT_TLS_CA", false}, {"CFRONT_TLS_CERT", false}, {"CFRONT_TLS_KEY", false},
	{"ABS_TLS_CA", false}, {"ABS_TLS_CERT", false}, {"ABS_TLS_KEY", false},
	{"KAFKA_TLS_CA", false}, {"KAFKA_TLS_CERT", false}, {"KAFKA_TLS_KEY", false},
	{"PROCESSING_URL", false}, {"PROCESSING_TOKEN", true},
	{"CFRONT_URL", false}, {"CFRONT_STORE_ID", false}, {"CFRONT_SECRET", true}, {"CFRONT_CALLBACK_URL", false}, {"CFRONT_AGREEMENT", false},
	{"CFRONT_POLL_FIRST", false}, {"CFRONT_POLL_MAX", false}, {"CFRONT_PAYOUT_POLL_MAX", false}, {"CFRONT_RAISE", false}, {"CFRONT_PAYOUT_RAISE", false},
	{"ABS_CLIENT_URL", false}, {"ABS_ACCOUNTS_URL", false}, {"ABS_STATEMENT_URL", false}, {"ABS_SCAN_URL", false}, {"ABS_DATE_LAYOUT", false},
	{"KAFKA_BROKERS", false}, {"LOXON_TOPIC", false}, {"KAFKA_TLS", false}, {"KAFKA_SASL", false}, {"KAFKA_USER", false}, {"KAFKA_PASSWORD", true},
	{"BANK_BIC", false}, {"K2_CHECK_DIGITS", false}, {"K2_CONTRACT_DATE", false}, {"DOCUMENTS_DIR", false},
	{"COLLECTION_RETRY_MAX", false}, {"COLLECTION_RAISE", false},
	{"RETRY_INITIAL", false}, {"RETRY_FACTOR", false}, {"PARTNER_TIMEOUT", false}, {"DRAIN_DELAY", false}, {"PAYER_DEADLINE", false},
	{"AGE_WARN", false}, {"AGE_RAISE", false}, {"TIMEZONE", false},
}

// accounts go with a secret and are no secrets; what is wrong at their ends is refused just so.
var accounts = []string{"CFRONT_STORE_ID", "KAFKA_USER"}

// temporals are those that Temporal's own environment configuration reads for a client.
var temporals = []Variable{
	{"TEMPORAL_ADDRESS", false}, {"TEMPORAL_NAMESPACE", false}, {"TEMPORAL_API_KEY", true}, {"TEMPORAL_CLIENT_AUTHORITY", false},
	{"TEMPORAL_CONFIG_FILE", false}, {"TEMPORAL_PROFILE", false}, {"TEMPORAL_TLS", false}, {"TEMPORAL_TLS_SERVER_NAME", false},
	{"TEMPORAL_TLS_CLIENT_CERT_PATH", false}, {"TEMPORAL_TLS_CLIENT_CERT_DATA", false}, {"TEMPORAL_TLS_CLIENT_KEY_PATH", false},
	{"TEMPORAL_TLS_CLIENT_KEY_DATA", false}, {"TEMPORAL_TLS_SERVER_CA_CERT_PATH", false}, {"TEMPORAL_TLS_SERVER_CA_CERT_DATA", false},
	{"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", false},
}

// Variables lists every setting that the binary reads from the environment.
func Variables() []Variable { return slices.Concat(ours, temporals) }

// asked makes a lookup of what Read knows: it takes a secret from its file, notes one that
// cannot be used, and panics at a name that is not listed, which only our code
// can ask for.
func asked(lookup func(string) string, note func(string, error)) func(string) string {
	secrets := map[string]string{}
	known := map[string]bool{}
	for _, v := range ours {
		known[v.Name] = true
		if slices.Contains(accounts, v.Name) {
			note(v.Name, checkEnds(lookup(v.Name)))
		}
		if !v.Secret {
			continue
		}
		value, from, err := secret(lookup, v.Name)
		note(from, err)
		secrets[v.Name] = value
	}
	return func(name string) string {
		if !known[name] {
			panic("variable " + name + " is not listed in variables.go")
		}
		if value, ok := secrets[name]; ok {
			return value
		}
		return lookup(name)
	}
}

// secret is the variable's value, or the content of the file that its _FILE names without the
// end of its last line; and the name that it came by, which an error is about.
func secret(lookup func(string) string, name string) (value, from string, err error) {
	value, path := lookup(name), lookup(name+"_FILE")
	if path == "" {
		return value, name, checkEnds(value)
	}
	from = name + "_FILE"
	if value != "" {
		return "", from, fmt.Errorf("is set beside %s: keep one of them", name)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", from, err
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		return "", from, errors.New("names an empty file: " + path)
	}
	return value, from, checkEnds(value)
}

// checkEnds refuses what was copied along with a secret: white space, a byte order mark and
// every other character that is not ASCII, at either end. With them every call would be
// answered 401.
func checkEnds(value string) error {
	if value == "" {
		return nil
	}
	first, _ := utf8.DecodeRuneInString(value)
	last, _ := utf8.DecodeLastRuneInString(value)
	for _, end := range []struct {
		verb string
		char rune
	}{{"begins", first}, {"ends", last}} {
		if end.char <= ' ' || end.char > '~' {
			return fmt.Errorf("%s with white space, a byte order mark or another character that is not visible ASCII", end.verb)
		}
	}
	return nil
}

// temporalEnv is the environment for Temporal's configuration, its API key perhaps from a file.
type temporalEnv struct{ key string }

// Environ is the process's.
func (temporalEnv) Environ() []string { return os.Environ() }

// LookupEnv is the process's, but for the key.
func (e temporalEnv) LookupEnv(name string) (string, bool) {
	if name == temporalKey && e.key != "" {
		return e.key, true
	}
	return os.LookupEnv(name)
}

const temporalKey = "TEMPORAL_API_KEY"
