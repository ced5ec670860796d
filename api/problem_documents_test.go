package api

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
)

// docs/api/errors.md has every problem with its status and title, but for refused actions,
// whose detail says what to do.
func TestDocumentsHaveEveryProblem(t *testing.T) {
	page, err := os.ReadFile("../docs/api/errors.md")
	require.NoError(t, err)
	refused := map[problemCode]bool{}
	for _, all := range []map[domain.Refusal]string{refusals, orderRefusals, paymentOrderRefusals, incidentRefusals} {
		for why := range all {
			refused[problemCode(why)] = true
		}
	}
	for code, row := range problems {
		if !refused[code] && row.title != "The payment order does not take this action now" {
			require.Contains(t, string(page), fmt.Sprintf("| %d | `%s` | %s |", row.status, code, row.title))
		}
	}
}
