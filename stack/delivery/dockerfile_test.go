package delivery

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// image is what the Dockerfile says of the last stage.
type image struct {
	from                             []string // of every stage
	user, exposed                    string
	entrypoint, command, healthcheck []string
	env                              map[string]string
}

// dockerfile reads as much of the language as ours uses: an instruction a line.
func dockerfile(t *testing.T) image {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dockerFolder, "Dockerfile"))
	require.NoError(t, err)
	list := func(s string) (words []string) {
		require.NoError(t, json.Unmarshal([]byte(s[strings.Index(s, "["):]), &words), s)
		return words
	}
	i := image{env: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "FROM":
			words := strings.Fields(regexp.MustCompile(`--platform=\S+ `).ReplaceAllString(rest, ""))
			i.from = append(i.from, words[0])
		case "USER":
			i.user = rest
		case "EXPOSE":
			i.exposed = rest
		case "ENV":
			name, value, _ := strings.Cut(rest, "=")
			i.env[name] = value
		case "ENTRYPOINT":
			i.entrypoint = list(rest)
		case "CMD":
			i.command = list(rest)
		case "HEALTHCHECK":
			i.healthcheck = list(rest)
		}
	}
	return i
}

// The image is built with a patch of go.mod's version, the one whose library is looked
// through for vulnerabilities.
func TestImageIsSmallAndNobodysRoot(t *testing.T) {
	i := dockerfile(t)
	module, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	tasks, err := os.ReadFile("../../Taskfile.yml")
	require.NoError(t, err)
	least := regexp.MustCompile(`(?m)^go (\d+\.\d+)\.(\d+)$`).FindStringSubmatch(string(module))
	built := regexp.MustCompile(`GOTOOLCHAIN: go(\d+\.\d+)\.(\d+)`).FindStringSubmatch(string(tasks))
	require.Equal(t, []string{"golang:" + built[1] + "." + built[2], "scratch"}, i.from)
	require.Equal(t, least[1], built[1])
	patchOf := func(version []string) int {
		n, err := strconv.Atoi(version[2])
		require.NoError(t, err)
		return n
	}
	require.GreaterOrEqual(t, patchOf(built), patchOf(least))
	require.Regexp(t, `^[1-9]\d+:[1-9]\d+$`, i.user)
}

// The context holds what is compiled, so that a secret or a ledger beside it never enters a
// layer, and every folder that is compiled is in it.
func TestContextIsWhatIsCompiled(t *testing.T) {
	text, err := os.ReadFile("../../.dockerignore")
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	require.Contains(t, lines, "*", "what is not named is left out")
	entries, err := os.ReadDir("../..")
	require.NoError(t, err)
	seen := 0
	for _, entry := range entries {
		if !entry.IsDir() || entry.Name() == "stack" {
			continue
		}
		name := entry.Name()
		sources, err := filepath.Glob(filepath.Join("../..", name, "*.go"))
		require.NoError(t, err)
		deeper, err := filepath.Glob(filepath.Join("../..", name, "*", "*.go"))
		require.NoError(t, err)
		if len(sources)+len(deeper) > 0 {
			require.Contains(t, lines, "!"+name)
			seen++
		} else {
			require.NotContains(t, lines, "!"+name)
		}
	}
	require.NotContains(t, lines, "!stack")
	require.Positive(t, seen)
}
