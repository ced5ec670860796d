package temporalserver

import (
	"maps"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
)

func TestAssignColumns(t *testing.T) {
	keyword, number := enumspb.INDEXED_VALUE_TYPE_KEYWORD, enumspb.INDEXED_VALUE_TYPE_INT
	type kinds = map[string]enumspb.IndexedValueType
	for name, c := range map[string]struct {
		taken  map[string]string
		wanted kinds
		want   map[string]string // nil: refused
	}{
		"fresh":             {nil, kinds{"B": keyword, "A": keyword, "N": number}, map[string]string{"Keyword01": "A", "Keyword02": "B", "Int01": "N"}},
		"again":             {map[string]string{"Keyword02": "A"}, kinds{"A": keyword}, map[string]string{"Keyword02": "A"}},
		"one more":          {map[string]string{"Keyword01": "B"}, kinds{"A": keyword, "B": keyword}, map[string]string{"Keyword01": "B", "Keyword02": "A"}},
		"dropped ones stay": {map[string]string{"Keyword01": "B"}, nil, map[string]string{"Keyword01": "B"}},
		"another type":      {map[string]string{"Keyword01": "A"}, kinds{"A": number}, nil},
		"used up":           {map[string]string{"Int01": "A", "Int02": "B", "Int03": "C"}, kinds{"D": number}, nil},
		"no type":           {nil, kinds{"A": enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := assignColumns(c.taken, c.wanted)
			if (err != nil) != (c.want == nil) || !maps.Equal(got, c.want) {
				t.Errorf("got %v, error %v, want %v", got, err, c.want)
			}
		})
	}
}
