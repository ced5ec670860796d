package loxon

import (
	_ "embed" // the index page
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"tolem/simulators/parts"
)

//go:embed index.txt
var index string

// contractPath comes before a contract, which may have slashes.
const contractPath = "/control/contracts/"

// routes is the control API of index.txt.
func (c *Consumer) routes() http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = parts.WriteError
	showIndex := func(ec echo.Context) error { return ec.String(http.StatusOK, index) }
	e.GET("", showIndex)
	e.GET("/", showIndex)
	e.GET("/control", func(ec echo.Context) error { return ec.JSON(http.StatusOK, c.Summary()) })
	e.GET("/control/", func(ec echo.Context) error { return ec.JSON(http.StatusOK, c.Summary()) })
	e.GET("/control/contracts", func(ec echo.Context) error {
		return ec.JSON(http.StatusOK, map[string]any{"contracts": c.Contracts()})
	})
	e.GET(contractPath+"*", c.getContract)
	e.GET("/control/faults", func(ec echo.Context) error { return ec.JSON(http.StatusOK, map[string]any{"faults": c.Faults()}) })
	return e
}

// getContract takes what follows the path, unescaped once; a slash may stand as it is.
func (c *Consumer) getContract(ec echo.Context) error {
	contract, err := url.PathUnescape(strings.TrimPrefix(ec.Request().URL.EscapedPath(), contractPath))
	if err != nil {
		return parts.Wrong("contract", "is not escaped as a path is")
	}
	books, ok := c.Contract(contract)
	if !ok {
		return ec.JSON(http.StatusNotFound, &parts.FieldError{Field: "contract", Problem: "is not in the books"})
	}
	return ec.JSON(http.StatusOK, books)
}
