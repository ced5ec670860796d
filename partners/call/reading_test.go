package call

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Names count exactly, at every depth, and one that stands twice spoils the answer.
func TestExactNames(t *testing.T) {
	o := Read([]byte(`{"a":{"id":"1","ID":"2","Id":"3"},"list":[{"id":"4","iD":"5"}]}`))
	require.Equal(t, "1", o.Inner("a").Text("id"))
	o.List("list", func(item *Reading) { require.Equal(t, "4", item.Text("id")) })
	require.True(t, o.OK())
	for body, field := range map[string]string{
		`{"a":{"id":1,"id":1}}`: "a.id", `{"a":{"x":1,"x":2,"id":3}}`: "a.x", `{"b":1,"b":1}`: "b", `{"list":[{},{"id":1,"id":2}]}`: "list[1].id",
		`{"a":{"1":1,"1":2}}`: "a", `{"Иванов":1,"Иванов":2}`: "", `{"a":{},"a":{}}`: "a",
	} {
		o := Read([]byte(body))
		o.Inner("a")
		o.List("list", func(*Reading) {})
		require.False(t, o.OK(), body)
		require.Equal(t, field, o.Field(), body)
	}
	skipped := Read([]byte(`{"other":{"id":1,"id":2}}`)) // nobody reads it
	require.True(t, skipped.OK())
}

// The first field that fails is named, never its value.
func TestFields(t *testing.T) {
	o := Read([]byte(`{"a":{"sum":"secret"},"b":{"c":"secret"}}`))
	require.Zero(t, o.Inner("a").Sum("sum"))
	o.Inner("b").Boolean("c")
	require.Equal(t, "a.sum", o.Field())
	for body, field := range map[string]string{``: "", `[]`: "", `{`: "", `{"sum":-1}`: "sum", `{}`: "sum", `{"sum":1e14}`: "sum"} {
		o := Read([]byte(body))
		o.Sum("sum")
		require.False(t, o.OK(), body)
		require.Equal(t, field, o.Field(), body)
	}
}

// What is only shown is left out and named once, and of a long list not every line.
func TestDroppedFields(t *testing.T) {
	o := Read([]byte(`{"name":{},"sum":"2 000,00","rate":"x","inner":7,"list":[` + strings.Repeat(`{"name":[]},`, 100) + `{}]}`))
	require.Empty(t, o.Shown("name")+o.Shown("name"))
	require.Nil(t, o.ShownMoney("sum"))
	require.Nil(t, o.ShownDecimal("rate"))
	require.Empty(t, o.ShownInner("inner").Shown("x"))
	require.Equal(t, "name, sum, rate, inner", o.Dropped())
	o.List("list", func(item *Reading) { item.Shown("name") })
	require.True(t, o.OK())
	require.Len(t, strings.Split(o.Dropped(), ", "), maxDropped)
}

// Missing, null and empty are equal.
func TestNothing(t *testing.T) {
	for _, body := range []string{`{}`, `{"list":null,"inner":null,"money":null}`, `{"list":[],"inner":{},"money":""}`, `{"inner":[ ]}`} {
		o := Read([]byte(body))
		o.List("list", func(*Reading) { t.Error(body) })
		require.Empty(t, o.Inner("inner").Fields)
		require.Zero(t, o.Money("money"))
		require.Nil(t, o.OptionalMoney("money"))
		require.True(t, o.OK(), body)
	}
}

// Whatever comes: no panic, nothing of a broken object, and only names of fields in the
// findings.
func FuzzReading(f *testing.F) {
	for _, body := range []string{`{"a":{"id":"1","ID":"2"},"list":[{"id":4,"id":5}],"sum":"2 000,00"}`, `{"a":[]}`, "\ufeff{}", `{"list":[null]}`, `{"yes":"TRUE","id":" 7 "}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o := Read(body)
		inner := o.Inner("a")
		_, _, _ = inner.Word("id"), o.Yes("yes"), o.ShownInner("shown").Shown("id")
		sum := o.Sum("sum")
		o.List("list", func(item *Reading) { _, _ = item.Integer("id", 9), item.ShownDecimal("rate") })
		if o.OK() && (sum < 0 || sum > maxSum) {
			t.Errorf("%s: %s", body, sum)
		}
		for _, name := range append(strings.Split(o.Dropped(), ", "), o.Field()) {
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.[]0123456789") != "" {
				t.Errorf("%q", name)
			}
		}
	})
}
