package domain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every constant of type OperatorReason is in the list: what is not there cannot be raised
// by a workflow.
func TestOperatorReasonsAreListed(t *testing.T) {
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "OperatorReason" {
				return true
			}
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			require.True(t, OperatorReason(word).Known(), word)
			found++
			return true
		})
	}
	require.Len(t, OperatorReasons(), found)
}

// Where money may be, two people close; and what two people close does not pass by itself.
func TestReasonsAboutMoneyLast(t *testing.T) {
	for _, r := range OperatorReasons() {
		require.NotEqual(t, r.Lasting(), r.Passing(), r)
		if r.AboutMoney() {
			require.True(t, r.Lasting(), r)
		}
		if r.Lasting() {
			require.False(t, r.EndsWithProcess(), r)
		}
	}
}
