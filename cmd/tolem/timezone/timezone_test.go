package timezone_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/cmd/tolem/timezone"
)

// The linked data is that of the Go release in use; after an update run go generate.
func TestZonesAreThoseOfTheGoRelease(t *testing.T) {
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	require.NoError(t, err)
	theirs, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	require.NoError(t, err)
	ours, err := os.ReadFile("zoneinfo.zip")
	require.NoError(t, err)
	require.True(t, string(theirs) == string(ours), "run go generate ./cmd/tolem/timezone")
}

func TestLoad(t *testing.T) {
	for name, hours := range map[string]int{"Asia/Almaty": 5, "Asia/Qyzylorda": 5, "UTC": 0, "Etc/GMT+12": -12, "Europe/Kyiv": 2} {
		zone, err := timezone.Load(name)
		require.NoError(t, err)
		require.Equal(t, name, zone.String())
		_, offset := time.Date(2026, 1, 15, 12, 0, 0, 0, zone).Zone()
		require.Equal(t, hours*3600, offset, name)
	}
	for _, name := range []string{"", "Local", "Mars/Base", "Asia", "Asia/", "/Asia/Almaty", "../Asia/Almaty", "asia/almaty", "Asia/Almaty\x00"} {
		_, err := timezone.Load(name)
		require.ErrorContains(t, err, "unknown time zone", name)
	}
}

// Kazakhstan has one time since 1 March 2024.
func TestAlmatyMovedInMarch2024(t *testing.T) {
	almaty, err := timezone.Load("Asia/Almaty")
	require.NoError(t, err)
	for at, want := range map[time.Time]string{
		time.Date(2024, 2, 29, 17, 59, 59, 0, time.UTC): "2024-02-29 23:59:59 +06:00",
		time.Date(2024, 2, 29, 18, 0, 0, 0, time.UTC):   "2024-02-29 23:00:00 +05:00",
		time.Date(2026, 7, 1, 18, 30, 0, 0, time.UTC):   "2026-07-01 23:30:00 +05:00",
	} {
		require.Equal(t, want, at.In(almaty).Format("2006-01-02 15:04:05 -07:00"))
	}
}
