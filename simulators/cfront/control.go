package cfront

import (
	_ "embed" // the index page
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"tolem/simulators/parts"
)

//go:embed index.txt
var index string

// controlRoutes is the control API of index.txt. It asks for no signature.
func (b *Bank) controlRoutes(e *echo.Echo) {
	showIndex := func(ec echo.Context) error { return ec.String(http.StatusOK, index) }
	e.GET("/control", showIndex)
	e.GET("/control/", showIndex)
	e.GET("/control/orders", func(ec echo.Context) error { return ec.JSON(http.StatusOK, map[string]any{"orders": b.Orders()}) })
	e.GET("/control/order", b.getOrder)
	e.GET("/control/requests", func(ec echo.Context) error {
		return ec.JSON(http.StatusOK, map[string]any{"requests": b.Requests(ec.QueryParam("storeOrderId"))})
	})
	e.GET("/control/callbacks", func(ec echo.Context) error {
		return ec.JSON(http.StatusOK, map[string]any{"deliveries": b.Deliveries(ec.QueryParam("storeOrderId"))})
	})
	e.GET("/control/totals", func(ec echo.Context) error { return ec.JSON(http.StatusOK, b.Totals()) })
	e.GET("/control/settings", func(ec echo.Context) error { return ec.JSON(http.StatusOK, b.Settings()) })
	e.PUT("/control/settings", b.putSettings)
	e.POST("/control/client", b.postClient)
	e.POST("/control/bank", b.postBank)
	e.POST("/control/state", b.postState)
	e.POST("/control/clock", b.postClock)
	e.POST("/control/scripts", b.postScript)
	e.GET("/control/scripts", func(ec echo.Context) error { return ec.JSON(http.StatusOK, map[string]any{"scripts": b.unfinished()}) })
	e.DELETE("/control/scripts", func(ec echo.Context) error { return parts.Done(ec, b.ClearScripts()) })
	e.POST("/control/faults", b.postFaults)
	e.DELETE("/control/faults", func(ec echo.Context) error { return parts.Done(ec, b.ClearStorms()) })
	e.PUT("/control/down", b.putDown)
	e.PUT("/control/gate", b.putGate)
	e.GET("/control/gate", func(ec echo.Context) error { return ec.JSON(http.StatusOK, map[string]any{"gates": b.gates.List()}) })
}

// unfinished lists the scripts that have answers left.
func (b *Bank) unfinished() []progress {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]progress{}, b.books.scripts...)
}

func (b *Bank) getOrder(ec echo.Context) error {
	o, ok := b.Order(ec.QueryParam("storeOrderId"))
	if !ok {
		return ec.JSON(http.StatusNotFound, &parts.FieldError{Field: "storeOrderId", Problem: "is not in the books"})
	}
	return ec.JSON(http.StatusOK, o)
}

// putSettings changes what it names and leaves the rest.
func (b *Bank) putSettings(ec echo.Context) error {
	s := b.Settings()
	if err := parts.Read(ec, &s); err != nil {
		return err
	}
	if err := b.Set(s); err != nil {
		return err
	}
	return ec.JSON(http.StatusOK, s)
}

// noOrder names what is wrong with a step.
func noOrder(err error) error {
	if errors.Is(err, ErrNoOrder) {
		return parts.Wrong("storeOrderId", "%v", err)
	}
	return err
}

// postClient lets a client agree, refuse or repay.
func (b *Bank) postClient(ec echo.Context) error {
	var in struct {
		StoreOrderID string `json:"storeOrderId"`
		Does         string `json:"does"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	var err error
	switch in.Does {
	case "agree":
		err = b.Approve(in.StoreOrderID)
	case "refuse":
		err = b.Fail(in.StoreOrderID, "REJECTED_BY_CLIENT")
	case "repay":
		err = b.Repay(in.StoreOrderID)
	default:
		err = parts.Wrong("does", "must be agree, refuse or repay")
	}
	return parts.Done(ec, noOrder(err))
}

func (b *Bank) postState(ec echo.Context) error {
	var in struct {
		StoreOrderID string `json:"storeOrderId"`
		State
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	return parts.Done(ec, noOrder(b.SetState(in.StoreOrderID, in.State)))
}

// postBank lets the bank itself pay out or take goods back.
func (b *Bank) postBank(ec echo.Context) error {
	var in struct {
		StoreOrderID string     `json:"storeOrderId"`
		Does         string     `json:"does"`
		Sum          Hundredths `json:"sum"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	var err error
	switch in.Does {
	case "pay_out":
		err = b.PayOut(in.StoreOrderID)
	case "take_back":
		err = b.TakeBack(in.StoreOrderID, in.Sum)
	default:
		err = parts.Wrong("does", "must be pay_out or take_back")
	}
	return parts.Done(ec, noOrder(err))
}

func (b *Bank) postClock(ec echo.Context) error {
	var in struct {
		AdvanceMs Milliseconds `json:"advanceMs"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	if in.AdvanceMs <= 0 || in.AdvanceMs.duration() > 3650*24*time.Hour {
		return parts.Wrong("advanceMs", "must be above 0")
	}
	return parts.Done(ec, b.Advance(in.AdvanceMs.duration()))
}

func (b *Bank) postScript(ec echo.Context) error {
	var s Script
	if err := parts.Read(ec, &s); err != nil {
		return err
	}
	if err := b.Script(s); err != nil {
		return err
	}
	return ec.JSON(http.StatusCreated, s)
}

func (b *Bank) postFaults(ec echo.Context) error {
	var s Storm
	if err := parts.Read(ec, &s); err != nil {
		return err
	}
	if err := b.Storm(s); err != nil {
		return err
	}
	return ec.JSON(http.StatusCreated, s)
}

func (b *Bank) putDown(ec echo.Context) error {
	var in struct {
		Down *bool `json:"down"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	if in.Down == nil {
		return parts.Wrong("down", "is missing")
	}
	b.SetDown(*in.Down)
	return ec.JSON(http.StatusOK, map[string]bool{"down": *in.Down})
}

// putGate closes a gate, after processing unless the mode says before, or opens one;
// opening without a mode opens both.
func (b *Bank) putGate(ec echo.Context) error {
	var in struct {
		Call   string     `json:"call"`
		Mode   parts.Mode `json:"mode"`
		Closed *bool      `json:"closed"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	switch {
	case !slices.Contains(calls, in.Call):
		return parts.Wrong("call", "is not known; GET /control lists them")
	case in.Mode != "" && in.Mode != parts.ModeAfter && in.Mode != parts.ModeBefore:
		return parts.Wrong("mode", "must be after or before")
	case in.Closed == nil:
		return parts.Wrong("closed", "is missing")
	case *in.Closed && in.Mode == parts.ModeBefore:
		b.HoldBefore(in.Call)
	case *in.Closed:
		b.Hold(in.Call)
	default:
		for _, mode := range []parts.Mode{parts.ModeAfter, parts.ModeBefore} {
			if in.Mode == "" || in.Mode == mode {
				b.gates.Open(parts.Passage{Call: in.Call, Mode: mode})
			}
		}
	}
	return ec.JSON(http.StatusOK, map[string]any{"gates": b.gates.List()})
}
