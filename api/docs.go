package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the contract
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui/v5/static"
	"github.com/swaggest/swgui/v5emb"
)

//go:embed openapi.yaml
var openAPI []byte

// docs shows the contract to people. Everything it loads is in this program: it
// works without a network, and nobody's script runs beside a typed-in token.
type docs struct {
	html     []byte
	security string // Content-Security-Policy
	assets   http.Handler
}

// inlineScript finds the page's own scripts; the policy names them by their sums.
var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// newDocs renders the page once.
func newDocs(ctx context.Context) (docs, error) {
	handler := v5emb.New("Tolem", "/openapi.yaml", "/docs")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/docs", http.NoBody)
	if err != nil {
		return docs{}, err
	}
	var page memory
	handler.ServeHTTP(&page, request)
	sums := ""
	for _, script := range inlineScript.FindAllSubmatch(page.Bytes(), -1) {
		sum := sha256.Sum256(script[1])
		sums += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	if sums == "" {
		return docs{}, errors.New("api: the embedded page of /docs is empty")
	}
	return docs{
		html: page.Bytes(), assets: handler,
		security: "default-src 'none'; script-src 'self'" + sums +
			"; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'" +
			"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

// memory is a response writer that keeps the body.
type memory struct {
	bytes.Buffer
	header http.Header
}

// Header is the page's header; it is not kept.
func (m *memory) Header() http.Header {
	if m.header == nil {
		m.header = http.Header{}
	}
	return m.header
}

// WriteHeader does nothing.
func (m *memory) WriteHeader(int) {}

func (d docs) contract(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", openAPI)
}

func (d docs) page(c echo.Context) error {
	c.Response().Header().Set("Content-Security-Policy", d.security)
	return c.HTMLBlob(http.StatusOK, d.html)
}

// asset serves a script, style or picture of the page.
func (d docs) asset(c echo.Context) error {
	name := pathParameter(c, "asset")
	if !embedded(name) {
		return echo.ErrNotFound
	}
	c.Response().Header().Set("Cache-Control", "no-cache") // asks again, gets 304
	d.assets.ServeHTTP(c.Response(), c.Request())
	return nil
}

// embedded says whether the page's files hold name, plain or compressed.
func embedded(name string) bool {
	if name == "" || strings.ContainsAny(name, `/\`) {
		return false
	}
	for _, stored := range []string{name, name + ".gz"} {
		if f, err := static.FS.Open(stored); err == nil {
			_ = f.Close() // read-only memory
			return true
		}
	}
	return false
}
