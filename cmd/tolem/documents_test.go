package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"tolem/domain"
)

// repository is the root of the product's module, seen from this package.
const repository = "../.."

// document is one page of the documentation.
type document struct {
	name   string // path in the repository
	prose  string // without fenced blocks
	fenced []string
}

var fence = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```$")

// documents reads every page: those at the root, and docs/.
func documents(t *testing.T) (pages []document) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(repository, "*.md"))
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(filepath.Join(repository, "docs"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Ext(name) == ".md" {
			names = append(names, name)
		}
		return err
	}))
	for _, name := range names {
		text := readFile(t, name)
		page := document{name: filepath.ToSlash(name), prose: fence.ReplaceAllString(text, "")}
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			page.fenced = append(page.fenced, block[1])
		}
		pages = append(pages, page)
	}
	require.Greater(t, len(pages), 20)
	return pages
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Clean(name))
	require.NoError(t, err)
	return string(text)
}

var inlineCode = regexp.MustCompile("`([^`\n]+)`")

// spans are the page's pieces of inline code.
func (d document) spans() (spans []string) {
	for _, found := range inlineCode.FindAllStringSubmatch(d.prose, -1) {
		spans = append(spans, found[1])
	}
	return spans
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are what a page's headings are linked by.
func (d document) anchors() (anchors []string) {
	for _, found := range heading.FindAllStringSubmatch(d.prose, -1) {
		anchors = append(anchors, strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-"))
	}
	return anchors
}

// Every link of every page leads to a file, and to a heading of it.
func TestDocumentsLinkToWhatExists(t *testing.T) {
	pages := documents(t)
	for _, page := range pages {
		for _, found := range link.FindAllStringSubmatch(page.prose, -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page.name
			if target != "" {
				file = path.Join(path.Dir(page.name), target)
			}
			if _, err := os.Stat(filepath.FromSlash(file)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page.name, found[1])
				continue
			}
			if at := slices.IndexFunc(pages, func(d document) bool { return d.name == file }); anchor != "" && (at < 0 || !slices.Contains(pages[at].anchors(), anchor)) {
				t.Errorf("%s links to the heading %s, which does not exist", page.name, found[1])
			}
		}
	}
}

var pathLike = regexp.MustCompile(`^[a-z.][A-Za-z0-9_.-]*(/[A-Za-z0-9_.*-]+)*/?$`)

// Every path that a page names, from a folder of the repository on, exists.
func TestDocumentsNamePathsThatExist(t *testing.T) {
	named := 0
	for _, page := range documents(t) {
		for _, span := range page.spans() {
			first, _, deep := strings.Cut(span, "/")
			if _, err := os.Stat(filepath.Join(repository, first)); err != nil || !deep || !pathLike.MatchString(span) {
				continue
			}
			if strings.HasPrefix(span, "docker/secrets/") { // docker/make-secrets.sh makes them
				continue
			}
			named++
			matches, err := filepath.Glob(filepath.Join(repository, filepath.FromSlash(span)))
			if err != nil || len(matches) == 0 {
				t.Errorf("%s names %s, which does not exist", page.name, span)
			}
		}
	}
	require.Greater(t, named, 100)
}

var variableLike = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

// Every variable, and every other word in capitals, that a page names occurs in the
// programs or in what deploys them.
func TestDocumentsNameVariablesThatExist(t *testing.T) {
	used := sources(t)
	named := 0
	for _, page := range documents(t) {
		for _, span := range page.spans() {
			name, _, _ := strings.Cut(span, "=")
			if !variableLike.MatchString(name) || strings.HasPrefix(name, "OTEL_") { // its library's
				continue
			}
			named++
			if !strings.Contains(used, name) && !strings.Contains(used, strings.TrimSuffix(name, "_FILE")) {
				t.Errorf("%s names %s, which nothing reads", page.name, name)
			}
		}
	}
	require.Greater(t, named, 50)
}

// sources are the texts of all programs and of what deploys them.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(repository, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git") {
			return fs.SkipDir
		}
		switch path.Ext(name) {
		case ".go", ".yaml", ".yml", ".sh":
			if !strings.HasSuffix(name, "documents_test.go") {
				all.WriteString(readFile(t, name))
			}
		}
		return nil
	}))
	return all.String()
}

var commandLine = regexp.MustCompile(`(?m)^(?:\$ )?(?:[A-Z_]+=\S+ )*tolem ([^|&;\n]*)`)

// Every command of `tolem` that a page names exists, with its flags.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	named := 0
	for _, page := range documents(t) {
		lines := append(page.spans(), page.fenced...)
		for _, line := range lines {
			for _, found := range commandLine.FindAllStringSubmatch(line, -1) {
				named++
				if wrong := wrongCommand(found[1]); wrong != "" {
					t.Errorf("%s: `tolem %s`: %s", page.name, found[1], wrong)
				}
			}
		}
	}
	require.Greater(t, named, 50)
}

// wrongCommand says what a command line has that the program does not; "" for nothing.
func wrongCommand(line string) string {
	words := strings.Fields(line)
	if len(words) == 0 || words[0] == "…" || words[0] == "COMMAND" || words[0] == "help" || words[0] == strings.ToUpper(words[0]) {
		return ""
	}
	at, rest, err := command().Find(words)
	if err != nil || at.Parent() == nil {
		return "there is no such command"
	}
	if at.HasSubCommands() && len(rest) > 0 && regexp.MustCompile(`^[a-z]`).MatchString(rest[0]) {
		return fmt.Sprintf("%s has no %s", at.Name(), rest[0])
	}
	for _, word := range rest {
		if flag, long := strings.CutPrefix(word, "--"); long && !hasFlag(at, strings.Split(flag, "=")[0]) {
			return "there is no flag --" + flag
		}
	}
	return ""
}

func hasFlag(cmd *cobra.Command, name string) bool {
	return cmd.Flags().Lookup(name) != nil || cmd.InheritedFlags().Lookup(name) != nil
}

var (
	routeLike = regexp.MustCompile(`(?:^|127\.0\.0\.1:8080|(?:GET|POST|PUT|DELETE) )(/(?:v1|restapi)/[^\s"'?…*]*)`)
	routeOf   = regexp.MustCompile(`(?m)^  (/\S+):$`)
)

// Every route that a page names is one of the API's contract.
func TestDocumentsNameRoutesThatExist(t *testing.T) {
	var routes [][]string
	for _, found := range routeOf.FindAllStringSubmatch(readFile(t, filepath.Join(repository, "api/openapi.yaml")), -1) {
		routes = append(routes, strings.Split(found[1], "/"))
	}
	named := 0
	for _, page := range documents(t) {
		for _, text := range append(page.spans(), page.fenced...) {
			for _, found := range routeLike.FindAllStringSubmatch(text, -1) {
				named++
				segments := strings.Split(strings.TrimRight(found[1], "/.,"), "/")
				if !slices.ContainsFunc(routes, func(route []string) bool { return isRoute(route, segments) }) {
					t.Errorf("%s names the route %s, which the API does not have", page.name, found[1])
				}
			}
		}
	}
	require.Greater(t, named, 40)
}

// isRoute says whether a path, with ids in place of parameters, is one of the route's.
func isRoute(route, path []string) bool {
	return slices.EqualFunc(route, path, func(want, got string) bool { return want == got || strings.HasPrefix(want, "{") })
}

// The runbook has an entry for every reason and for every alert.
func TestRunbookIsComplete(t *testing.T) {
	runbook := readFile(t, filepath.Join(repository, "docs/operating/runbook.md"))
	for _, why := range domain.OperatorReasons() {
		if !strings.Contains(runbook, "| `"+string(why)+"` | "+kindOf(why)+" |") {
			t.Errorf("no entry says what to do for %s, which is %s", why, kindOf(why))
		}
	}
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(readFile(t, filepath.Join(repository, "docker/prometheus/alerts.yml")), -1)
	require.NotEmpty(t, alerts)
	for _, alert := range alerts {
		if !strings.Contains(runbook, "### "+alert[1]+"\n") {
			t.Errorf("no entry says what to do for the alert %s", alert[1])
		}
	}
}

func kindOf(why domain.OperatorReason) string {
	switch {
	case why.AboutMoney():
		return "money"
	case why.Lasting():
		return "lasting"
	}
	return "passing"
}
