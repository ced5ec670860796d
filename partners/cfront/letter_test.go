package cfront

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A letter is passed on as JSON: a byte order mark before it would forbid that.
func TestLetterIsPassedOn(t *testing.T) {
	letter, ok := decodeLetter([]byte("\ufeff{\"expansion\":null,\"more\":[1]}"))
	require.True(t, ok)
	require.JSONEq(t, `{"expansion":null,"more":[1]}`, string(letter.Raw))
	for _, body := range []string{
		`{"expansion":{"bank":{"agreement":{}}}}`, `{"expansion":{"bank":{"agreement":"1","agreement":"2"}}}`, `{"header":[]}`,
		`{"expansion":{"bank":{"agreement":"` + strings.Repeat("1", 129) + `"}}}`,
	} {
		_, ok := decodeLetter([]byte(body))
		require.False(t, ok, body)
	}
}
