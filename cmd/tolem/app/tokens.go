package app

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"tolem/api"
	"tolem/cmd/tolem/following"
)

// tokens are who may call, as API_TOKENS says, or the file that API_TOKENS_FILE names: callers
// are added and removed there without a restart. A file that changed and cannot be used leaves
// the last good one in force, which the log and a metric say. An API without tokens could serve
// nobody.
func (c Config) tokens(registry prometheus.Registerer) (func() api.Tokens, error) {
	if c.TokensFile == "" {
		tokens, err := c.readTokens()
		countUnusable(registry, func() bool { return true })
		return func() api.Tokens { return tokens }, err
	}
	file, err := following.New(following.Options[api.Tokens]{
		Paths: []string{c.TokensFile}, Load: c.readTokens,
		Changed: func(t api.Tokens) { slog.Info("API tokens reloaded", "file", c.TokensFile, "tokens", t) },
		Unusable: func(reason error, kept api.Tokens) {
			slog.Error("the file of API tokens changed and cannot be used; the last good one stays in force", "error", reason, "tokens", kept)
		},
	})
	if err != nil {
		return nil, err
	}
	countUnusable(registry, file.Current)
	return file.Now, nil
}

// countUnusable exports whether the tokens in force are those that were given last.
func countUnusable(registry prometheus.Registerer, current func() bool) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tolem_api_tokens_unusable",
		Help: "1 while the file of API_TOKENS_FILE cannot be used and the last good one stays in force.",
	}, func() float64 {
		if current() {
			return 0
		}
		return 1
	}))
}

// readTokens reads who may call now.
func (c Config) readTokens() (api.Tokens, error) {
	text, from := c.Tokens, apiTokens
	if c.TokensFile != "" {
		var err error
		text, from, err = secret(func(name string) string { return map[string]string{apiTokens + "_FILE": c.TokensFile}[name] }, apiTokens)
		if err != nil {
			return api.Tokens{}, fmt.Errorf("%w: %s: %w", ErrConfig, from, err)
		}
	}
	if text == "" {
		return api.Tokens{}, fmt.Errorf("%w: %w", ErrConfig, errors.New("API_TOKENS is empty, so nobody could call; set name:role:secret, for example API_TOKENS=shop:agent:$(openssl rand -hex 16)"))
	}
	tokens, err := api.ParseTokens(text)
	if err != nil {
		return api.Tokens{}, fmt.Errorf("%w: %s: %w", ErrConfig, from, err)
	}
	return tokens, nil
}

// apiTokens is the variable.
const apiTokens = "API_TOKENS"
