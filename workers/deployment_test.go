package workers_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/workers"
)

func TestDeploymentNames(t *testing.T) {
	for _, right := range []workers.Deployment{{Name: "tolem"}, {Name: "tolem", BuildID: "2026-12-01.1"}, {Name: "a/b", BuildID: "sha256:0f"}, {Name: "t", BuildID: strings.Repeat("b", 100)}} {
		name, build := right.Validate()
		require.NoError(t, name)
		require.NoError(t, build)
	}
	for _, wrong := range []string{"", "a.b", "a:b", "a b", "__a", "ж", "a\n", strings.Repeat("a", 101)} {
		name, build := workers.Deployment{Name: wrong, BuildID: "1"}.Validate()
		require.Error(t, name, wrong)
		require.NoError(t, build)
	}
	for _, wrong := range []string{"a b", "__a", "ж", "a\n", strings.Repeat("a", 101)} {
		name, build := workers.Deployment{Name: "tolem", BuildID: wrong}.Validate()
		require.NoError(t, name)
		require.Error(t, build, wrong)
	}
}
