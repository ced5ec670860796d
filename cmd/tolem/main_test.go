package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/api"
)

func tokenOf(t *testing.T, args ...string) (secret, entries string, err error) {
	t.Helper()
	var out bytes.Buffer
	root := command()
	root.SetArgs(append([]string{"token"}, args...))
	root.SetOut(&out)
	root.SetErr(io.Discard)
	if err := root.Execute(); err != nil {
		require.Empty(t, out.String())
		return "", "", err
	}
	words := strings.Fields(out.String())
	require.Equal(t, []string{"secret", "API_TOKENS"}, []string{words[0], words[2]})
	return words[1], words[3], nil
}

// The entry is the secret's sum, is read as it is printed, and does not hold the secret.
func TestToken(t *testing.T) {
	secret, entries, err := tokenOf(t, "till-7", "agent", "store")
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(secret))
	hashed := "sha256:" + hex.EncodeToString(sum[:])
	require.Equal(t, "till-7:agent:"+hashed+",till-7:store:"+hashed, entries)
	require.GreaterOrEqual(t, len(secret), 26, "base32: 5 bits a character, 128 in all")
	_, err = api.ParseTokens(entries + ",other:viewer:x")
	require.NoError(t, err)

	other, _, err := tokenOf(t, "till-7", "agent")
	require.NoError(t, err)
	require.NotEqual(t, secret, other)
}

func TestTokenForNobody(t *testing.T) {
	for want, args := range map[string][]string{
		"the role must be": {"till-7", "boss"}, "the name must have": {"till 7", "agent"}, "at least 2 arg": {"till-7"},
		"entry 2": {"till-7", "agent", "boss"}, "want name": {"a,b", "agent"},
	} {
		_, _, err := tokenOf(t, args...)
		require.ErrorContains(t, err, want)
	}
}

// Whoever is refused finds in the help what to do.
func TestHelpNamesAllowPlaintext(t *testing.T) {
	for _, verb := range []string{"api", "worker", "serve", "setup", "verify", "deployment", "deployment promote"} {
		var out bytes.Buffer
		root := command()
		root.SetArgs(append(strings.Fields(verb), "--help"))
		root.SetOut(&out)
		require.NoError(t, root.Execute())
		require.Contains(t, out.String(), "ALLOW_PLAINTEXT=temporal", verb)
	}
}

// A Temporal on another machine without TLS is refused before anything is opened or called.
func TestPlaintextIsRefused(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
	t.Setenv("DATABASE_URL", "sqlite:///nowhere/ledger.db")
	for _, verb := range []string{"api", "worker", "serve", "setup", "verify", "deployment list", "deployment replay", "deployment promote 1"} {
		root := command()
		root.SetArgs(strings.Fields(verb))
		root.SetOut(io.Discard)
		err := root.Execute()
		require.ErrorContains(t, err, "TEMPORAL_ADDRESS: temporal.example:7233 is on another machine", verb)
		require.ErrorContains(t, err, "ALLOW_PLAINTEXT=temporal", verb)
	}
}
