package abs

import (
	_ "embed" // the index page
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"tolem/simulators/parts"
)

//go:embed index.txt
var index string

// controlRoutes is the control API of index.txt.
func (s *System) controlRoutes(e *echo.Echo) {
	showIndex := func(ec echo.Context) error { return ec.String(http.StatusOK, index) }
	list := func(name string, of func(ec echo.Context) any) echo.HandlerFunc {
		return func(ec echo.Context) error { return ec.JSON(http.StatusOK, map[string]any{name: of(ec)}) }
	}
	e.GET("/control", showIndex)
	e.GET("/control/", showIndex)
	e.GET("/control/totals", func(ec echo.Context) error { return ec.JSON(http.StatusOK, s.Totals()) })
	e.GET("/control/requests", list("requests", func(ec echo.Context) any { return s.Requests(ec.QueryParam("about")) }))
	e.GET("/control/scans", list("scans", func(echo.Context) any { return s.Scans() }))
	e.GET("/control/scan", func(ec echo.Context) error { return ec.JSON(http.StatusOK, s.Scan(ec.QueryParam("contract"))) })
	e.GET("/control/settings", func(ec echo.Context) error { return ec.JSON(http.StatusOK, s.Settings()) })
	e.PUT("/control/settings", s.putSettings)
	e.GET("/control/scripts", list("scripts", func(echo.Context) any { return s.unfinished() }))
	e.POST("/control/scripts", s.postScript)
	e.DELETE("/control/scripts", func(ec echo.Context) error { return parts.Done(ec, s.ClearScripts()) })
	e.POST("/control/faults", s.postFaults)
	e.DELETE("/control/faults", func(ec echo.Context) error { return parts.Done(ec, s.ClearStorms()) })
	e.PUT("/control/down", s.putDown)
	e.GET("/control/gate", list("gates", func(echo.Context) any { return s.gates.List() }))
	e.PUT("/control/gate", s.putGate)
}

// unfinished lists the scripts that have answers left.
func (s *System) unfinished() []progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]progress{}, s.books.scripts...)
}

// putSettings changes what it names and leaves the rest.
func (s *System) putSettings(ec echo.Context) error {
	var c change
	if err := parts.Read(ec, &c); err != nil {
		return err
	}
	settings, err := s.alter(c)
	if err != nil {
		return err
	}
	return ec.JSON(http.StatusOK, settings)
}

func (s *System) postScript(ec echo.Context) error {
	var script Script
	if err := parts.Read(ec, &script); err != nil {
		return err
	}
	if err := s.Script(script); err != nil {
		return err
	}
	return ec.JSON(http.StatusCreated, script)
}

func (s *System) postFaults(ec echo.Context) error {
	var storm Storm
	if err := parts.Read(ec, &storm); err != nil {
		return err
	}
	if err := s.Storm(storm); err != nil {
		return err
	}
	return ec.JSON(http.StatusCreated, storm)
}

func (s *System) putDown(ec echo.Context) error {
	var in struct {
		Down *bool `json:"down"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	if in.Down == nil {
		return parts.Wrong("down", "is missing")
	}
	s.SetDown(*in.Down)
	return ec.JSON(http.StatusOK, map[string]bool{"down": *in.Down})
}

// putGate closes or opens the gate between processing and answering.
func (s *System) putGate(ec echo.Context) error {
	var in struct {
		Call   string `json:"call"`
		Closed *bool  `json:"closed"`
	}
	if err := parts.Read(ec, &in); err != nil {
		return err
	}
	switch {
	case !slices.Contains(calls, in.Call):
		return errNoSuchCall
	case in.Closed == nil:
		return parts.Wrong("closed", "is missing")
	case *in.Closed:
		s.Hold(in.Call)
	default:
		s.gates.Open(parts.Passage{Call: in.Call, Mode: parts.ModeAfter})
	}
	return ec.JSON(http.StatusOK, map[string]any{"gates": s.gates.List()})
}
