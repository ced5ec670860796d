package endtoend

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	centre "tolem/simulators/processing"
)

// number is a payment's id as the partner knows it.
func number(t *testing.T, id string) (n int64) {
	t.Helper()
	_, err := fmt.Sscan(id, &n)
	require.NoError(t, err)
	return n
}

// movedOnce asserts by the partner's books that the money moved exactly once,
// with the same bytes at every attempt.
func movedOnce(t *testing.T, c *centre.Centre, id string) {
	t.Helper()
	require.Equal(t, 1, c.Effects(number(t, id)), "effects in the partner's books")
	bodies := map[string]bool{}
	for _, r := range requests(t, c, id, "pay") {
		bodies[r.BodySHA256] = true
	}
	require.Len(t, bodies, 1, "bytes of pay")
}

func requests(t *testing.T, c *centre.Centre, id, call string) (got []centre.Request) {
	t.Helper()
	for _, r := range c.Requests(number(t, id)) {
		if r.Call == call {
			got = append(got, r)
		}
	}
	return got
}

func script(t *testing.T, c *centre.Centre, call string, answers ...centre.Answer) {
	t.Helper()
	require.NoError(t, c.Script(centre.Script{Call: call, Answers: answers}))
}
