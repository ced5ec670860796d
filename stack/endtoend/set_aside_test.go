package endtoend

import (
	"bytes"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refusing has the brokers refuse every message of a contract with a status as too large, as
// long as the returned flag is set.
func refusing(control func(int16, func(kmsg.Request) (kmsg.Response, error, bool)), keep func(), contract, status string) *atomic.Bool {
	refuses := &atomic.Bool{}
	refuses.Store(true)
	control(kmsg.Produce.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		keep()
		request := r.(*kmsg.ProduceRequest)
		answer := request.ResponseKind().(*kmsg.ProduceResponse)
		refused := false
		for _, topic := range request.Topics {
			said := kmsg.NewProduceResponseTopic()
			said.Topic, said.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				refused = refused || bytes.Contains(p.Records, []byte(contract)) && bytes.Contains(p.Records, []byte(status))
				place := kmsg.NewProduceResponseTopicPartition()
				place.Partition, place.ErrorCode = p.Partition, 10 // MESSAGE_TOO_LARGE
				said.Partitions = append(said.Partitions, place)
			}
			answer.Topics = append(answer.Topics, said)
		}
		return answer, nil, refused && refuses.Load()
	})
	return refuses
}

// An event that the broker never takes holds up the end of its payment order, which a person
// sees though it has ended. Two people set it aside, after Loxon's topic was read to its end;
// what follows is published and names its number, and every promise that is verified is kept.
func TestEventThatTheBrokerNeverTakes(t *testing.T) {
	t.Parallel()
	cluster, i := loxonCluster(t)
	i.worker()
	user := i.caller()
	second := &caller{t: t, api: user.api, token: i.stack.SecondToken}
	const contract = "KD/never"
	code, text := user.sendsLoans(loanJSON(contract, 1000))
	require.Zero(t, code, text)
	eventually(t, "the request is told", func() bool { return user.toldOf(contract) == 1 })
	refusing(cluster.ControlKey, cluster.KeepControl, contract, "payment order activated")
	require.Equal(t, http.StatusCreated, user.reports(contract, "a", `{"status":"payment order activated"}`))
	eventually(t, "a person is asked to look", func() bool { return user.readsContract(contract).Reason == "event_rejected" })
	require.Equal(t, http.StatusCreated, user.reports(contract, "e", `{"status":"payment order executed","paid_amount":1000}`))
	o := user.readsContract(contract)
	require.Equal(t, "executed", o.State)
	require.True(t, o.NeedsOperator, "the end takes nothing away")
	for _, filter := range []string{"needs_operator=true", "stuck=1h"} {
		var page struct {
			Items []struct {
				Contract string `json:"contract_number"`
			}
		}
		status, raw := user.do(http.MethodGet, "/v1/payment-orders?"+filter, "", nil, &page)
		require.Equal(t, http.StatusOK, status, raw)
		require.Len(t, page.Items, 1, filter)
	}
	require.Equal(t, http.StatusOK, user.actsOnContract(contract, "retry", "r"))

	var events struct {
		Items []struct {
			ID     int64
			Status string
		}
	}
	user.do(http.MethodGet, contractPath(contract)+"/events", "", nil, &events)
	require.Equal(t, "payment order activated", events.Items[1].Status)
	aside := fmt.Sprintf("events/%d/set-aside", events.Items[1].ID)
	require.Equal(t, http.StatusAccepted, user.actsOnContract(contract, aside, "s1"))
	require.Equal(t, http.StatusConflict, user.actsOnContract(contract, aside, "s2"), "another person has to")
	eventually(t, "the topic was read to its end", func() bool { return second.actsOnContract(contract, aside, "s3") == http.StatusOK })
	eventually(t, "the end is told", func() bool { return user.toldOf(contract) == 2 })
	require.False(t, user.readsContract(contract).NeedsOperator)
	told := i.told(2)
	require.Equal(t, []string{"1", "3"}, []string{told[0].seq, told[1].seq})
	require.Equal(t, []string{"", "2"}, []string{told[0].skipped, told[1].skipped})
	require.Contains(t, told[1].value, `"paid_amount":1000,"status":"payment order executed"`)
	i.verified()
}
