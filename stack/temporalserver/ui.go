package temporalserver

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	uiapi "github.com/temporalio/ui-server/v2/server/api"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/csrf"
	"github.com/temporalio/ui-server/v2/server/headers"
	"github.com/temporalio/ui-server/v2/server/route"
	"github.com/temporalio/ui-server/v2/ui"

	"tolem/api/hosts"
)

// uiHeaderLimit bounds the header of a request to the web UI; a slow one holds a connection.
const uiHeaderLimit = 10 * time.Second

// webUI is the web UI, serving.
type webUI struct{ http *http.Server }

// startUI serves the web UI until its Stop. Only this machine's own names are answered: the
// UI asks nobody who he is, so a page whose name resolves to a loopback address could do what
// the person in front of the browser may. Without writes it only shows: everything that changes
// something in Temporal is refused, whoever sends it.
func startUI(ctx context.Context, at address, c *uiconfig.Config, log *serverLog) (*webUI, error) {
	handler, err := uiHandler(c)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	w := &webUI{http: &http.Server{
		Handler: hosts.For(listener.Addr()).Guard(handler), ReadHeaderTimeout: uiHeaderLimit,
		ErrorLog: slog.NewLogLogger(log.log.Handler(), slog.LevelWarn),
	}}
	go func() {
		if err := w.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.log.Error("temporal server: web UI", "error", err)
		}
	}()
	return w, nil
}

// Stop ends the UI and cuts the requests under way, which only show something.
func (w *webUI) Stop() { _ = w.http.Close() }

// uiConfig is what the UI shows of the server.
func uiConfig(frontend address, o Options) *uiconfig.Config {
	return &uiconfig.Config{
		TemporalGRPCAddress: frontend.String(),
		DefaultNamespace:    o.Namespace,
		CORS:                uiconfig.CORS{CookieInsecure: true}, // plain HTTP on loopback
		DisableNewsFetch:    true,                                // calls nobody outside
		DisableWriteActions: !o.UIWriteActions,
	}
}

// uiHandler puts the UI's own parts together in the order of its NewServer (v2.55.0), which
// listens by itself, so that nothing can be put in front, and ends the process when it cannot.
// What is left out does nothing here: its log, its sign-in, and CORS, for which no other origin
// is allowed.
func uiHandler(c *uiconfig.Config) (http.Handler, error) {
	provider, err := uiconfig.NewConfigProviderWithRefresh(c)
	if err != nil {
		return nil, err
	}
	assets, err := ui.Assets()
	if err != nil {
		return nil, err
	}
	if assets, err = fs.Sub(assets, "local"); err != nil {
		return nil, err
	}
	secure := !c.CORS.CookieInsecure
	e := echo.New()
	e.Use(middleware.Recover(), middleware.Gzip(), middleware.Secure(),
		csrf.EnsureTokenCookie(secure), middleware.CSRFWithConfig(csrf.MiddlewareConfig(provider, secure)))
	route.SetHealthRoute(e)
	caller := headers.WithForwardHeaders([]string{"Caller-Type"}) // by which Temporal sees that a person asks
	if err := route.SetAPIRoutes(e, provider, []uiapi.Middleware{caller}); err != nil {
		return nil, err
	}
	if err := route.SetUIRoutes(e, c.PublicPath, assets, provider); err != nil {
		return nil, err
	}
	route.SetRenderRoute(e, "/")
	return e, nil
}

func awaitUI(ctx context.Context, a address) error {
	client := &http.Client{Timeout: pollLimit}
	return poll(ctx, "web UI "+a.String(), func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.String()+"/healthz", nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			err = errors.New(response.Status)
		}
		return errors.Join(err, response.Body.Close())
	})
}
