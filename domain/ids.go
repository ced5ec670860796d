package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// AgentTransactionID identifies one payment at the processing centre and in our
// ledger: an integer of at most 18 digits (v20, "Принципы взаимодействия"). It
// is an integer towards the partner and a string in our own API, because
// 18 digits do not survive a JavaScript number.
type AgentTransactionID int64

// ErrID is wrapped by every error of ParseAgentTransactionID.
var ErrID = errors.New("not a transaction id")

// maxAgentTransactionID has 18 digits.
const maxAgentTransactionID = 999_999_999_999_999_999

// ParseAgentTransactionID reads 1 to 18 decimal digits, without sign or leading
// zero, so that each id has one spelling only.
func ParseAgentTransactionID(s string) (AgentTransactionID, error) {
	if len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%w: want 1 to 18 digits", ErrID)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > maxAgentTransactionID || s[0] == '0' {
		return 0, fmt.Errorf("%w: want 1 to 18 digits, not beginning with 0", ErrID)
	}
	return AgentTransactionID(n), nil
}

// String is the id in decimal digits.
func (id AgentTransactionID) String() string { return strconv.FormatInt(int64(id), 10) }

// WorkflowID is the payment's name in Temporal, logs and spans:
// payment/<agentTransactionId>.
func (id AgentTransactionID) WorkflowID() string { return paymentPrefix + id.String() }

const paymentPrefix = "payment/"

// PaymentOf is the payment of a process that WorkflowID names. Errors wrap ErrID.
func PaymentOf(process string) (AgentTransactionID, error) {
	digits, ok := strings.CutPrefix(process, paymentPrefix)
	if !ok {
		return 0, fmt.Errorf("%w: %q is no payment's process", ErrID, process)
	}
	return ParseAgentTransactionID(digits)
}

// MarshalJSON writes a string.
func (id AgentTransactionID) MarshalJSON() ([]byte, error) {
	return []byte(`"` + id.String() + `"`), nil
}

// UnmarshalJSON accepts a string or an integer of 1 to 18 digits.
func (id *AgentTransactionID) UnmarshalJSON(b []byte) error {
	text := string(bytes.TrimSpace(b))
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(b, &text); err != nil {
			return fmt.Errorf("%w: broken string", ErrID)
		}
	}
	parsed, err := ParseAgentTransactionID(text)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
