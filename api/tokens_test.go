package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tolem/api"
)

func TestParseTokens(t *testing.T) {
	sum := sha256.Sum256([]byte("s3cret"))
	hashed := "sha256:" + hex.EncodeToString(sum[:])
	for name, c := range map[string]struct{ in, want string }{
		"one":                       {"a:agent:s3cret", ""},
		"spaces and a line end":     {" a:agent:s3cret , b:viewer:other\n", ""},
		"hashed":                    {"a:agent:" + hashed, ""},
		"colon in the secret":       {"a:agent:x:y:z", ""},
		"two roles":                 {"a:agent:s3cret,a:operator:s3cret", ""},
		"two secrets":               {"a:agent:s3cret,a:agent:newer", ""},
		"two roles, one hashed":     {"a:agent:s3cret,a:operator:" + hashed, ""},
		"empty":                     {"", "empty"},
		"blank":                     {" \n", "empty"},
		"comma at the end":          {"a:agent:s3cret,", "entry 2"},
		"two parts":                 {"a:agent", "entry 1: want name:role:secret"},
		"no name":                   {":agent:s3cret", "entry 1: the name"},
		"strange name":              {"a b:agent:s3cret", "entry 1: the name"},
		"no such role":              {"a:agent:s3cret,b:admin:s3cret", "entry 2: the role"},
		"role in capitals":          {"a:Agent:s3cret", "entry 1: the role"},
		"no secret":                 {"a:agent:", "entry 1: the secret"},
		"space in the secret":       {"a:agent:s3 cret", "entry 1: the secret"},
		"Cyrillic secret":           {"a:agent:пароль", "entry 1: the secret"},
		"short sum":                 {"a:agent:sha256:abcd", "entry 1: sha256"},
		"sum is no hex":             {"a:agent:sha256:" + strings.Repeat("z", 64), "entry 1: sha256"},
		"sum of nothing":            {"a:agent:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "entry 1: the secret"},
		"one secret, two names":     {"a:agent:s3cret,b:agent:s3cret", "entry 2: the secret names another"},
		"the same, one of them sum": {"a:agent:s3cret,b:agent:" + hashed, "entry 2: the secret names another"},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := api.ParseTokens(c.in)
			if c.want == "" {
				must(t, err)
				for _, printed := range []string{fmt.Sprint(parsed), fmt.Sprintf("%+v", parsed), fmt.Sprintf("%#v", parsed)} {
					if strings.Contains(printed, "s3cret") || strings.Contains(printed, hex.EncodeToString(sum[:8])) {
						t.Errorf("printed tokens tell: %s", printed)
					}
				}
				return
			}
			if err == nil || !errors.Is(err, api.ErrTokens) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			for _, secret := range []string{"s3cret", "s3 cret", "пароль", "zzzz", "abcd"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells the secret: %v", err)
				}
			}
		})
	}
}

func TestTokenHashedInTheConfiguration(t *testing.T) {
	sum := sha256.Sum256([]byte(secretAgent))
	b := newBank(t, func(o *api.Options) {
		o.Tokens = allowing(t, "till:agent:sha256:"+strings.ToUpper(hex.EncodeToString(sum[:])))
	})
	b.status(b.get(secretAgent, "/v1/payments"), 200)
	b.status(b.get(hex.EncodeToString(sum[:]), "/v1/payments"), 401) // the sum is not the secret
}

// A made token lets in by its secret, and by nothing that stands in the configuration.
func TestNewToken(t *testing.T) {
	secret, entries, err := api.NewToken("till", "agent", "store")
	must(t, err)
	b := newBank(t, func(o *api.Options) { o.Tokens = allowing(t, entries) })
	b.status(b.get(secret, "/v1/payments"), 200)
	b.status(b.get(secret, "/v1/orders"), 200)
	b.status(b.get(secret, "/v1/balance/history"), 403)
	_, sum, _ := strings.Cut(entries, "sha256:")
	for _, token := range []string{entries, sum[:64], "sha256:" + sum[:64]} {
		b.status(b.get(token, "/v1/payments"), 401)
	}
	if strings.Contains(entries, secret) {
		t.Error("the entries hold the secret")
	}
}
