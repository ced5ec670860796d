package endtoend

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A loan beyond what the processing centre could write is taken in, collected and published:
// another partner's limit is none of the card file's.
func TestLoanOfTwoBillion(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	i.worker()
	code, text := user.sendsLoans(loanJSON("KD/large", 2_000_000_000))
	require.Zero(t, code, text)
	user.findsContract("KD/large", "sent")
	require.Equal(t, http.StatusCreated, user.reports("KD/large", "a", `{"status":"payment order executed","paid_amount":1999999999.99}`))
	require.Equal(t, http.StatusUnprocessableEntity, user.reports("KD/large", "b", `{"status":"payment order executed","paid_amount":0.02}`))
	require.Equal(t, http.StatusCreated, user.reports("KD/large", "c", `{"status":"payment order executed","paid_amount":0.01}`))
	user.findsContract("KD/large", "executed")
	events := i.told(3)
	require.Equal(t, []string{"request was sent 0", "payment order executed 1999999999.99", "payment order executed 2000000000"}, statusesOf(t, events, "KD/large"))
	for _, e := range events {
		require.True(t, strings.Contains(e.value, `"amount":2000000000,`), e.value)
	}
	eventually(t, "Loxon's own books hold it", func() bool { return i.stack.Loxon().Summary().Messages >= len(events) })
	require.Zero(t, i.stack.Loxon().Summary().Faults, i.stack.Loxon().Faults())
}
