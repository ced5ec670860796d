package endtoend

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/storage"
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

// A status that an older version took in, with a year that no message carries, holds up those
// behind it and nothing else: people see it in the lists and its events, and the contract's
// process goes on.
func TestStoredStatusThatLoxonCannotBeToldOf(t *testing.T) {
	t.Parallel()
	i := startInfra(t)
	user := i.caller()
	i.worker()
	code, text := user.sendsLoans(loanJSON("KD/year-0", 1000), loanJSON("KD/other", 1000))
	require.Zero(t, code, text)
	user.findsContract("KD/year-0", "sent")
	user.findsContract("KD/other", "sent")
	ledger, err := storage.Open(t.Context(), i.env["DATABASE_URL"])
	require.NoError(t, err)
	defer func() { require.NoError(t, ledger.Close()) }()
	o, err := ledger.PaymentOrder(t.Context(), "KD/year-0")
	require.NoError(t, err)
	_, _, _, err = ledger.ReportStatus(t.Context(), storage.ReportedStatus{ // as that version did
		Contract: o.Contract, Caller: "k2", Key: "old", Status: domain.StatusRequestConfirmed, At: time.Now(), EventAt: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)})
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, user.reports("KD/year-0", "new", `{"status":"payment order executed","paid_amount":1000}`))
	eventually(t, "an operator is asked", func() bool { return user.readsContract("KD/year-0").NeedsOperator })
	ended := user.readsContract("KD/year-0")
	require.Equal(t, "event_rejected", ended.Reason)
	require.Equal(t, "executed", ended.State)
	status, raw := user.do(http.MethodGet, contractPath("KD/year-0")+"/events", "", nil, nil)
	require.Equal(t, http.StatusOK, status, raw)
	var listed struct {
		Items []struct {
			Contract string `json:"contract_number"`
		}
	}
	status, raw = user.do(http.MethodGet, "/v1/payment-orders?needs_operator=true", "", nil, &listed)
	require.Equal(t, http.StatusOK, status, raw)
	require.Len(t, listed.Items, 1)
	require.Equal(t, "KD/year-0", listed.Items[0].Contract)

	require.Equal(t, http.StatusCreated, user.reports("KD/other", "a", `{"status":"payment order not accepted"}`))
	eventually(t, "another contract's are told", func() bool { return user.toldOf("KD/other") == 2 })
	require.Equal(t, []string{"request was sent 0"}, statusesOf(t, i.told(3), "KD/year-0"))
}
