package domain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Every constant of type OperatorReason is in the list: what is not there cannot be raised
// by a workflow.
func TestOperatorReasonsAreListed(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "OperatorReason" {
				return true
			}
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil || !OperatorReason(word).Known() {
				t.Errorf("%q is not in OperatorReasons (%v)", word, err)
			}
			found++
			return true
		})
	}
	if len(OperatorReasons()) != found {
		t.Errorf("%d reasons are listed, and %d constants declared", len(OperatorReasons()), found)
	}
}

// Where money may be, two people close; and what two people close does not pass by itself.
func TestReasonsAboutMoneyLast(t *testing.T) {
	for _, r := range OperatorReasons() {
		switch {
		case r.Lasting() == r.Passing():
			t.Errorf("%s is both lasting and passing, or neither", r)
		case r.AboutMoney() && !r.Lasting():
			t.Errorf("%s is about money and passes", r)
		case r.Lasting() && r.EndsWithProcess():
			t.Errorf("%s lasts and ends with its process", r)
		}
	}
}
