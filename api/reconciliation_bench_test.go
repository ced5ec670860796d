package api_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"tolem/activities"
	"tolem/api"
	"tolem/domain"
	"tolem/partners/cfront"
	"tolem/partners/processing"
	"tolem/storage"
)

// BenchmarkMillionRows exports a day of a million payments from a SQLite ledger
// and compares it with its own export, over HTTP. On Linux it says by how many MiB
// the process grew at its worst.
func BenchmarkMillionRows(b *testing.B) {
	path := filepath.Join(b.TempDir(), "ledger.db")
	ledger, err := storage.Open(b.Context(), "sqlite://"+path)
	check(b, err)
	b.Cleanup(func() { _ = ledger.Close() }) // nobody reads it any longer
	_, err = ledger.Migrate(b.Context())
	check(b, err)
	fillDay(b, path, 1_000_000)
	address := benchServer(b, ledger)
	export := filepath.Join(b.TempDir(), "export.csv")

	b.Run("export", func(b *testing.B) {
		before := startOfGrowth(b)
		for b.Loop() {
			file, err := os.Create(export)
			check(b, err)
			check(b, exchange(b, http.MethodGet, address+dayPath, nil, file))
			check(b, file.Close())
		}
		growth(b, before)
	})
	for _, format := range []string{"json", "csv"} {
		b.Run("compare/"+format, func(b *testing.B) {
			before := startOfGrowth(b)
			for b.Loop() {
				file, err := os.Open(export)
				check(b, err)
				var answer strings.Builder
				check(b, exchange(b, http.MethodPost, address+dayPath+"&format="+format, file, &answer))
				if !strings.Contains(strings.ReplaceAll(answer.String(), `"`, ``), "match:1000000,mismatch:0") {
					b.Fatal(answer.String())
				}
			}
			growth(b, before)
		})
	}
	b.Run("compare/nothing there", func(b *testing.B) { // 300,000 differences and more
		before := startOfGrowth(b)
		for b.Loop() {
			check(b, exchange(b, http.MethodPost, address+dayPath, strings.NewReader("agentTransactionId,amountTo,state\n"), io.Discard))
		}
		growth(b, before)
	})
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// benchServer is the API with nobody behind it but the ledger.
func benchServer(b *testing.B, ledger *storage.Ledger) (address string) {
	b.Helper()
	temporal, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1", Logger: quiet{}})
	check(b, err)
	b.Cleanup(temporal.Close)
	centre, err := processing.New(processing.Options{URL: "http://127.0.0.1:1", Token: "x", Timeout: time.Second})
	check(b, err)
	callers, err := api.ParseTokens(tokens)
	check(b, err)
	ladder, err := domain.NewLadder(time.Second, "2")
	check(b, err)
	bank, err := cfront.New(cfront.Options{URL: "http://127.0.0.1:1", StoreID: "s", Secret: "s", Timeout: time.Second})
	check(b, err)
	server, err := api.New(api.Options{
		Ledger: ledger, Temporal: temporal, Centre: centre, Tokens: func() api.Tokens { return callers }, Ladder: ladder, PartnerTimeout: time.Second, Location: time.UTC,
		Bank: bank, Agreement: agreement, Encode: activities.Encoder("HSBKKZKX", time.UTC),
	})
	check(b, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	go func() { _ = server.Serve(listener) }() // ends with Shutdown
	b.Cleanup(func() { check(b, server.Shutdown(context.Background())) })
	return "http://" + listener.Addr().String()
}

func exchange(b *testing.B, method, url string, body io.Reader, answer io.Writer) error {
	request, err := http.NewRequestWithContext(b.Context(), method, url, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+secretOp)
	request.Header.Set("Content-Type", "text/csv")
	response, err := new(http.Client).Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	if _, err := io.Copy(answer, response.Body); err != nil {
		return err
	}
	return response.Body.Close()
}

// startOfGrowth forgets the process's peak and returns its memory, in KiB; 0 where
// Linux does not tell it.
func startOfGrowth(b *testing.B) int {
	b.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil {
		return 0
	}
	return memory(b, "VmRSS:")
}

func growth(b *testing.B, before int) {
	if before > 0 {
		b.ReportMetric(float64(memory(b, "VmHWM:")-before)/1024, "MiB-peak")
	}
}

func memory(b *testing.B, name string) (kib int) {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	check(b, err)
	_, rest, _ := strings.Cut(string(status), name)
	_, err = fmt.Sscan(rest, &kib)
	check(b, err)
	return kib
}
