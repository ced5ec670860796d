package parts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// MaxBody is the longest request to a control API, in bytes.
const MaxBody = 1 << 20

// FieldError says which field of a script, storm or control request is wrong.
type FieldError struct {
	Field   string `json:"field"`
	Problem string `json:"problem"`
}

// Error names the field and the problem.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// Wrong is a FieldError.
func Wrong(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// WriteError answers in JSON what is wrong with which field. It is Echo's error handler.
func WriteError(err error, ec echo.Context) {
	if ec.Response().Committed {
		return
	}
	status, e := http.StatusInternalServerError, &FieldError{Problem: "the books cannot be written"}
	var field *FieldError
	var framework *echo.HTTPError
	switch {
	case errors.As(err, &field):
		status, e = http.StatusBadRequest, field
	case errors.As(err, &framework):
		status, e = framework.Code, &FieldError{Problem: http.StatusText(framework.Code) + "; GET /control lists what there is"}
	}
	_ = ec.JSON(status, e) // the caller has gone; nobody else wants to know
}

// Done answers that a change was made, or why not.
func Done(ec echo.Context, err error) error {
	if err != nil {
		return err
	}
	return ec.NoContent(http.StatusNoContent)
}

// Read decodes one JSON object of at most MaxBody and refuses unknown fields.
func Read(ec echo.Context, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(ec.Response(), ec.Request().Body, MaxBody))
	if err != nil {
		return Wrong("", "the body is over 1 MiB or broken off")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	var mistyped *json.UnmarshalTypeError
	var field *FieldError
	switch {
	case errors.As(err, &field):
		return field
	case errors.As(err, &mistyped):
		return Wrong(mistyped.Field, "is a %s, must be of type %s", mistyped.Value, mistyped.Type)
	case err != nil && strings.HasPrefix(err.Error(), "json: unknown field "):
		return Wrong(strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`), "is not known")
	case err != nil:
		return Wrong("", "the body is not a JSON object: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Wrong("", "there is text after the JSON object")
	}
	return nil
}
