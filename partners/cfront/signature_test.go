package cfront

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/partners/call"
)

// The signature as another program computes it (openssl dgst -sha256 -hmac KEY -binary |
// base64): the secret is text, the message is the bytes, the alphabet is the standard
// one with padding (cfront.md 2).
func TestSignatureOfAnotherProgram(t *testing.T) {
	for _, v := range []struct{ secret, body, want string }{
		{"shared-secret", `{"order_id":"9f0c"}`, "kdqPWnSY+dSIwv8waqYQsxAU5HoqaZquBG+xkqH5yVQ="},
		{"ключ", `{"name":"Чайник"}`, "HcHs4AwDY4vxzKvqEnHavgPRIWSNqk2YuckoXEqyVec="},
	} {
		c, err := New(Options{URL: "http://bank", StoreID: "store-1", Secret: v.secret})
		require.NoError(t, err)
		require.Equal(t, v.want, c.Sign([]byte(v.body)))
		require.True(t, c.VerifySignature([]byte(v.body), v.want))
		for _, forged := range []string{
			"", " " + v.want, v.want + "\n", strings.TrimSuffix(v.want, "="), strings.ToLower(v.want), strings.NewReplacer("+", "-", "/", "_").Replace(v.want) + "=",
		} {
			require.False(t, c.VerifySignature([]byte(v.body), forged), "%q", forged)
		}
		for _, changed := range []string{"", v.body + " ", strings.Replace(v.body, ":", ": ", 1), "\ufeff" + v.body} {
			require.False(t, c.VerifySignature([]byte(changed), v.want), "%q", changed)
		}
		require.Equal(t, "signature", c.SignatureHeader())
	}
	c, err := New(Options{URL: "http://bank", StoreID: "store-1", Dialect: Dialect{Unsigned: true, SignatureHeader: "X-Sign"}})
	require.NoError(t, err)
	require.True(t, c.VerifySignature([]byte(`{}`), "anything"), "a bank that signs nothing")
	require.Equal(t, "X-Sign", c.SignatureHeader())
}

// "requests and responses are signed" (cfront.md 2): where that is agreed on, neither an
// answer nor a refusal counts without it, whatever the operation.
func TestSignedAnswers(t *testing.T) {
	dialect := Dialect{CheckResponseSignature: true, SignatureHeader: "X-Sign"}
	for operation, x := range exchanges(t) {
		for _, status := range []int{200, 400} {
			body := x.answer
			d := &desk{status: status, body: body, header: map[string]string{"X-Sign": signature([]byte(body))}}
			_, err := x.call(d.client(t, dialect), t.Context())
			var failure *call.Failure
			require.NotErrorAs(t, err, &failure, "%s %d", operation, status)
			require.Equal(t, status == 200, err == nil)

			for _, forged := range []string{"", signature([]byte(body + " "))} {
				d.header = map[string]string{"X-Sign": forged, "signature": signature([]byte(body)), "Trace-Id": "t-1"}
				_, err := x.call(d.client(t, dialect), t.Context())
				require.ErrorAs(t, err, &failure, "%s %d", operation, status)
				require.Equal(t, []any{ReasonBadSignature, domain.Unknown, status, "t-1"}, []any{failure.Reason, failure.Kind, failure.Status, failure.TraceID})
			}
			d.header = nil
			_, err = x.call(d.client(t, Dialect{}), t.Context())
			require.Equal(t, status == 200, err == nil, "off, unless agreed on: %v", err)
		}
	}
}
