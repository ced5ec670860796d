package app_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"tolem/cmd/tolem/app"
	"tolem/cmd/tolem/certificates"
	"tolem/storage"
)

// oldZones is a directory of zone files in which Almaty is as it was before March 2024.
func oldZones(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "Asia"), 0o755))
	// TZif version 1, RFC 8536: no transitions, one type, of 21,600 seconds.
	file := "TZif" + strings.Repeat("\x00", 16+16) + "\x00\x00\x00\x01" + "\x00\x00\x00\x04" + "\x00\x00\x54\x60" + "\x00\x00" + "+06\x00"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Asia", "Almaty"), []byte(file), 0o600))
	return dir
}

// A machine's old zone files, which ZONEINFO names before all others, take no payment of the
// last hour of a day to the next one. ZONEINFO is read once in a process, so this is one of
// its own.
func TestMachinesZonesChangeNothing(t *testing.T) {
	const child = "TOLEM_TIMEZONE_CHILD"
	if os.Getenv(child) == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMachinesZonesChangeNothing$")
		again.Env = append(os.Environ(), child+"=1", "ZONEINFO="+oldZones(t))
		out, err := again.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	const minute = "2006-01-02 15:04 -07:00"
	at := time.Date(2026, 2, 17, 18, 30, 0, 0, time.UTC)
	machines, err := time.LoadLocation("Asia/Almaty")
	require.NoError(t, err)
	require.Equal(t, "2026-02-18 00:30 +06:00", at.In(machines).Format(minute), "the test's own old file")
	c, err := app.Read(env(nil), client.Options{})
	require.NoError(t, err)
	require.Equal(t, "2026-02-17 23:30 +05:00", at.In(c.Location).Format(minute))
}

// Processes of one ledger keep its days in one time zone: one with another refuses to start, and
// says what to do; changing it is a command.
func TestOneTimezoneOfALedger(t *testing.T) {
	address := "sqlite://" + filepath.Join(t.TempDir(), "ledger.db")
	with := func(zone string) app.Config {
		c, err := app.Read(env(map[string]string{"DATABASE_URL": address, "TIMEZONE": zone, "API_ADDR": "127.0.0.1:0", "API_TOKENS": "till:agent:secret"}),
			client.Options{HostPort: temporalFrontend(t, certificates.Files{})})
		require.NoError(t, err)
		return c
	}
	starts := func(zone string) error {
		running, err := app.Start(t.Context(), with(zone), app.Parts{API: true, Migrate: true})
		running.Stop()
		return err
	}
	require.NoError(t, starts("Asia/Almaty"))
	require.NoError(t, starts("Asia/Almaty"))
	for _, parts := range []app.Parts{{API: true}, {Worker: true}, {API: true, Worker: true, Migrate: true}} {
		running, err := app.Start(t.Context(), with("Asia/Dubai"), parts)
		running.Stop()
		require.ErrorIs(t, err, app.ErrConfig)
		for _, said := range []string{"TIMEZONE", "Asia/Dubai", "Asia/Almaty", "tolem migrate --timezone"} {
			require.ErrorContains(t, err, said)
		}
	}
	before, err := app.ChangeTimezone(t.Context(), with("Asia/Dubai"))
	require.NoError(t, err)
	require.Equal(t, "Asia/Almaty", before)
	require.NoError(t, starts("Asia/Dubai"))
	require.ErrorIs(t, starts("Asia/Almaty"), app.ErrConfig)

	ledger, err := storage.Open(t.Context(), address)
	require.NoError(t, err)
	defer func() { require.NoError(t, ledger.Close()) }()
	kept, err := ledger.KeepTimezone(t.Context(), "Asia/Almaty")
	require.NoError(t, err)
	require.Equal(t, "Asia/Dubai", kept)
}
