package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"tolem/simulators/partners"
)

// lines hands over what the program prints, write by write.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

func TestRunPrintsWhatLeadsToIt(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, ended := make(lines, 1), make(chan error)
	go func() { ended <- run(ctx, []string{"--addr", "127.0.0.1:0", "--data", t.TempDir()}, out, io.Discard) }()
	var said string
	select {
	case said = <-out:
	case err := <-ended:
		t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(said) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			env[name] = value
		}
	}
	if env["PROCESSING_TOKEN"] != partners.DefaultToken || !strings.HasSuffix(env["PROCESSING_URL"], "/processing") {
		t.Fatal(said)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, env["PROCESSING_URL"]+"/api/v20/balance", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+env["PROCESSING_TOKEN"])
	get(t, r, `{"result":0,`)
	for path, want := range map[string]string{"/control": "Processing centre, protocol v20", "/control/totals": `{"checked":0`} {
		if r, err = http.NewRequestWithContext(ctx, http.MethodGet, env["PROCESSING_URL"]+path, nil); err != nil {
			t.Fatal(err)
		}
		get(t, r, want)
	}
	for name, want := range map[string]string{
		"ABS_CLIENT_URL": `{"error_text":"","error_code":0,"iinbin":"900101300011"`, "ABS_ACCOUNTS_URL": `{"error_text":"","error_code":0,"ibans":[{`,
		"ABS_STATEMENT_URL": `{"error_text":"","error_code":0,"stmt":[{`, "ABS_SCAN_URL": "%PDF-",
	} {
		query := "?iinbin=900101300011&iban=KZ000000000000000000&dt=2020-01-01&dbz_num=KD0000000001&dbz_dt=2020-01-01"
		if r, err = http.NewRequestWithContext(ctx, http.MethodGet, env[name]+query, nil); err != nil {
			t.Fatal(err)
		}
		get(t, r, want)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, r *http.Request, want string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != http.StatusOK || !strings.HasPrefix(string(text), want) {
		t.Errorf("%s: %d %s %v", r.URL.Path, a.StatusCode, text, err)
	}
}

func TestRunNamesTheBusyPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	err = run(t.Context(), []string{"--addr", taken.Addr().String()}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "--addr") {
		t.Errorf("error %v", err)
	}
}

func TestRunRefusesArguments(t *testing.T) {
	var complaints bytes.Buffer
	for _, args := range [][]string{{"serve"}, {"--port", "1"}} {
		if err := run(t.Context(), args, io.Discard, &complaints); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	if err := run(t.Context(), []string{"--help"}, io.Discard, &complaints); !errors.Is(err, flag.ErrHelp) || !strings.Contains(complaints.String(), "127.0.0.1:8091") {
		t.Errorf("%v, %s", err, complaints.String())
	}
}
