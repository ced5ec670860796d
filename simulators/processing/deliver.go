package processing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"tolem/simulators/parts"
)

const jsonType = "application/json"

// deliver sends what take decided, in the way the fault asks for.
func (c *Centre) deliver(ec echo.Context, t turn) error {
	ctx := ec.Request().Context()
	if t.answer.Fault != DelayBefore && !c.wait(ctx, t.answer.delay()) {
		return parts.Abort(ec)
	}
	if t.refused != 0 && t.answer.Fault == "" {
		return ec.String(t.refused, http.StatusText(t.refused)+"\n")
	}
	switch t.answer.Fault {
	case ResetBefore:
		return parts.Abort(ec)
	case LostAnswer:
		return parts.Cut(ec, nil)
	case Hang:
		c.waitForEver(ctx)
		return parts.Cut(ec, nil)
	case HTML502:
		return ec.HTML(http.StatusBadGateway, parts.ErrorPage)
	case Status, StatusAfter:
		return ec.Blob(t.answer.Status, bodyType(t.answer.Body), []byte(t.answer.Body))
	case Redirect:
		return ec.Redirect(http.StatusTemporaryRedirect, "redirected/"+t.request.Call)
	case Garbage:
		return ec.Blob(http.StatusOK, jsonType, []byte("<<< это не JSON >>>"))
	case Empty:
		return ec.Blob(http.StatusOK, jsonType, nil)
	}
	body, err := encode(t.reply)
	if err != nil {
		c.log.Error("answer cannot be written", "error", err)
		return parts.Abort(ec)
	}
	switch t.answer.Fault {
	case LostAnswerMidway:
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", jsonType, len(body))
		return parts.Cut(ec, append([]byte(head), body[:len(body)/2]...))
	case TruncatedJSON:
		body = body[:len(body)/2]
	case NotUTF8:
		const field = `"resultMessage":"`
		body = bytes.Replace(body, []byte(field), []byte(field+"\xff\xfe"), 1)
	}
	return ec.Blob(http.StatusOK, jsonType, body)
}

// encode writes the answer without escaping HTML, as no document asks for that.
func encode(r reply) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func bodyType(body string) string {
	if json.Valid([]byte(body)) {
		return jsonType
	}
	return "text/plain; charset=utf-8"
}

// waitForEver ends when the agent goes away or the centre is closed.
func (c *Centre) waitForEver(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-c.closed:
	}
}
