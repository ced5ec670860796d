package processing

import (
	"bytes"
	_ "embed" // the index page
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"tolem/simulators/parts"
)

//go:embed index.txt
var index string

// controlRoutes is the control API of index.txt. It asks for no token.
func (c *Centre) controlRoutes(e *echo.Echo) {
	showIndex := func(ec echo.Context) error { return ec.String(http.StatusOK, index) }
	e.GET("/control", showIndex)
	e.GET("/control/", showIndex)
	e.POST("/control/scripts", c.postScript)
	e.GET("/control/scripts", func(ec echo.Context) error { return ec.JSON(http.StatusOK, map[string]any{"scripts": c.unfinished()}) })
	e.DELETE("/control/scripts", func(ec echo.Context) error { return parts.Done(ec, c.ClearScripts()) })
	e.POST("/control/faults", c.postFaults)
	e.DELETE("/control/faults", func(ec echo.Context) error { return parts.Done(ec, c.ClearStorms()) })
	e.GET("/control/requests", c.getRequests)
	e.GET("/control/payments", func(ec echo.Context) error { return ec.JSON(http.StatusOK, map[string]any{"payments": c.Payments()}) })
	e.GET("/control/payments/:id", c.getPayment)
	e.GET("/control/totals", func(ec echo.Context) error { return ec.JSON(http.StatusOK, c.Totals()) })
	e.PUT("/control/balance", c.putBalance)
	e.PUT("/control/down", c.putDown)
	e.GET("/control/register", c.getRegister)
	e.GET("/control/catalogue", func(ec echo.Context) error { return ec.JSON(http.StatusOK, c.Catalogue()) })
	e.PUT("/control/catalogue", c.putCatalogue)
	e.GET("/control/gate", func(ec echo.Context) error { return ec.JSON(http.StatusOK, map[string]any{"gates": c.gates.List()}) })
	e.PUT("/control/gate", c.putGate)
}

// looseID is an agentTransactionId as people write it: a number or text.
type looseID int64

// UnmarshalJSON accepts 123 and "123".
func (id *looseID) UnmarshalJSON(text []byte) error {
	digits := bytes.Trim(text, `"`)
	if !transactionID.Match(digits) {
		return wrong("agentTransactionId", "must be an integer of 1 to 18 digits, as a number or text")
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	*id = looseID(n)
	return err
}

func (c *Centre) postScript(ec echo.Context) error {
	var in struct {
		Call               string   `json:"call"`
		AgentTransactionID looseID  `json:"agentTransactionId"`
		Account            string   `json:"account"`
		Answers            []Answer `json:"answers"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	number, err := c.addScript(Script{in.Call, int64(in.AgentTransactionID), in.Account, in.Answers})
	if err != nil {
		return err
	}
	return ec.JSON(http.StatusCreated, map[string]int{"number": number})
}

func (c *Centre) postFaults(ec echo.Context) error {
	var s Storm
	if err := parts.Read(ec, &s); err != nil {
		return err
	}
	if err := c.Storm(s); err != nil {
		return err
	}
	return ec.JSON(http.StatusCreated, s)
}

// unfinished lists the scripts that have answers left.
func (c *Centre) unfinished() []progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	unfinished := []progress{}
	for number := 1; number <= c.books.lastScript; number++ {
		for _, p := range c.books.scripts[c.books.targets[number]] {
			if p.Number == number {
				unfinished = append(unfinished, *p)
			}
		}
	}
	return unfinished
}

func (c *Centre) getRequests(ec echo.Context) error {
	id, err := queryID(ec.QueryParam("agentTransactionId"))
	if err != nil {
		return err
	}
	return ec.JSON(http.StatusOK, map[string]any{"requests": c.Requests(id)})
}

func (c *Centre) getPayment(ec echo.Context) error {
	id, err := queryID(ec.Param("id"))
	if err != nil {
		return err
	}
	p, known := c.Payment(id)
	if !known {
		return ec.JSON(http.StatusNotFound, &FieldError{Field: "agentTransactionId", Problem: "is not in the books"})
	}
	return ec.JSON(http.StatusOK, p)
}

// queryID reads an id from the address; an empty one is 0, all.
func queryID(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	var id looseID
	err := id.UnmarshalJSON([]byte(text))
	return int64(id), err
}

// putBalance changes what it names, all at once.
func (c *Centre) putBalance(ec echo.Context) error {
	var in struct {
		Balance      *string `json:"balance"`
		Overdraft    *string `json:"overdraft"`
		Notification *string `json:"notification"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	var r record
	for _, field := range []struct {
		name string
		text *string
		into **tenThousandths
	}{{"balance", in.Balance, &r.Balance}, {"overdraft", in.Overdraft, &r.Overdraft}, {"notification", in.Notification, &r.Notification}} {
		if field.text == nil {
			continue
		}
		b, ok := parseBalance(*field.text)
		if !ok {
			return wrong(field.name, "must be text with at most four decimals, such as \"1000.0000\"")
		}
		*field.into = &b
	}
	if r.Balance == nil && r.Overdraft == nil && r.Notification == nil {
		return wrong("balance", "is missing, and so are overdraft and notification; give at least one")
	}
	if err := c.change(r); err != nil {
		return err
	}
	c.mu.Lock()
	now := map[string]string{
		"balance": c.books.balance.String(), "overdraft": c.books.overdraft.String(), "notification": c.books.notification.String(),
	}
	c.mu.Unlock()
	return ec.JSON(http.StatusOK, now)
}

func (c *Centre) putDown(ec echo.Context) error {
	var in struct {
		Down *bool `json:"down"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	if in.Down == nil {
		return wrong("down", "is missing")
	}
	c.SetDown(*in.Down)
	return ec.JSON(http.StatusOK, map[string]bool{"down": *in.Down})
}

func (c *Centre) getRegister(ec echo.Context) error {
	d, err := disturbed(ec.QueryParams())
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := c.Register(ec.QueryParam("date"), &text, d); err != nil {
		return err
	}
	return ec.Blob(http.StatusOK, "text/csv; charset=utf-8", text.Bytes())
}

func (c *Centre) putCatalogue(ec echo.Context) error {
	var changes Catalogue
	if err := parts.Read(ec, &changes); err != nil {
		return err
	}
	if err := c.SetCatalogue(changes); err != nil {
		return err
	}
	return ec.JSON(http.StatusOK, changes)
}

// putGate closes a gate, after processing unless the mode says before, or opens
// one; opening without a mode opens both.
func (c *Centre) putGate(ec echo.Context) error {
	var in struct {
		Call   string `json:"call"`
		Mode   Mode   `json:"mode"`
		Closed *bool  `json:"closed"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	switch {
	case !knownCall(in.Call):
		return wrong("call", "%s", noSuchCall)
	case in.Mode != "" && in.Mode != ModeAfter && in.Mode != ModeBefore:
		return wrong("mode", "must be after or before")
	case in.Closed == nil:
		return wrong("closed", "is missing")
	case *in.Closed && in.Mode == ModeBefore:
		c.HoldBefore(in.Call)
	case *in.Closed:
		c.Hold(in.Call)
	default:
		for _, mode := range []Mode{ModeAfter, ModeBefore} {
			if in.Mode == "" || in.Mode == mode {
				c.gates.Open(passage{Call: in.Call, Mode: mode})
			}
		}
	}
	return ec.JSON(http.StatusOK, map[string]any{"gates": c.gates.List()})
}
