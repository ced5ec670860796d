package cfront

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A letter is passed on as JSON: a byte order mark before it would forbid that.
func TestLetterIsPassedOn(t *testing.T) {
	letter, o := decodeLetter([]byte("\ufeff{\"expansion\":null,\"more\":[1]}"))
	require.True(t, o.OK())
	require.JSONEq(t, `{"expansion":null,"more":[1]}`, string(letter.Raw))
	for body, field := range map[string]string{
		`{"expansion":{"bank":{"agreement":{}}}}`: "expansion.bank.agreement", `{"expansion":{"bank":{"agreement":"1","agreement":"2"}}}`: "expansion.bank.agreement",
		`{"expansion":{"bank":{"agreement":"` + strings.Repeat("1", 129) + `"}}}`: "expansion.bank.agreement", `{"expansion":{"bank":7}}`: "expansion.bank",
	} {
		_, o := decodeLetter([]byte(body))
		require.False(t, o.OK(), body)
		require.Equal(t, field, o.Field())
	}
	for body, dropped := range map[string]string{
		`{"header":"text","expansion":{"bank":{"agreement":"1","Agreement":"2"}}}`: "header", `{"expansion":{"invoice":{"invoice_amount":{}},"bank":{"agreement":1}}}`: "expansion.invoice.invoice_amount",
		`{"expansion":{"payment_destination":{"dest_id":1,"dest_id":2},"bank":{"agreement":"1"}}}`: "expansion.payment_destination",
	} {
		l, o := decodeLetter([]byte(body))
		require.True(t, o.OK(), body)
		number, _ := l.Contract()
		require.Equal(t, []string{"1", dropped}, []string{number, o.Dropped()})
	}
}
