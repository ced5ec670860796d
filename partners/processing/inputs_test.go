package processing

import (
	"reflect"
	"strings"
	"sync"
	"testing"
)

func seedService(t *testing.T, id string) Service {
	t.Helper()
	c, err := decodeCatalogue(opServices, golden(t, "responses", "services.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, ok := c.Service(id)
	if !ok {
		t.Fatal(id)
	}
	return s
}

func problems(pairs ...string) (list []InputProblem) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, InputProblem{pairs[i], pairs[i+1]})
	}
	return list
}

// The document's own services and patterns.
func TestCheckInputs(t *testing.T) {
	order := func(value string) map[string]string { return map[string]string{"account1": value} }
	for name, test := range map[string]struct {
		service string
		account string
		extras  map[string]string
		want    []InputProblem
	}{
		"a phone number":      {"P1011", "7770017711", nil, nil},
		"empty extras":        {"P1011", "7770017711", map[string]string{}, nil},
		"nine digits":         {"P1011", "777001771", nil, problems("account", ProblemPattern)},
		"letters":             {"P1011", "77700i7711", nil, problems("account", ProblemPattern)},
		"a line end":          {"P1011", "7770017711\n", nil, problems("account", ProblemText)},
		"broken UTF-8":        {"P1011", "777001771\xff", nil, problems("account", ProblemText)},
		"no account":          {"P1011", "", nil, problems("account", ProblemMissing)},
		"201 characters":      {"P1011", strings.Repeat("1", 201), nil, problems("account", ProblemTooLong)},
		"contract chosen":     {"P0006", "880101300123", map[string]string{"contractId": "000000588"}, nil},
		"IIN of 11":           {"P0006", "88010130012", nil, problems("account", ProblemPattern)},
		"a name nobody knows": {"P1011", "7770017711", map[string]string{"account1": "x", "ev_zone": "y"}, problems("extras.account1", ProblemUnknown, "extras.zone", ProblemUnknown)},
		"order":               {"P1012", "1234567890", order("1234567890"), nil},
		"order with ev_":      {"P1012", "1234567890", map[string]string{"ev_account1": "1234567890"}, nil},
		"order missing":       {"P1012", "1234567890", nil, problems("extras.account1", ProblemMissing)},
		"order empty":         {"P1012", "1234567890", order(""), problems("extras.account1", ProblemMissing)},
		"order malformed":     {"P1012", "1234567890", order("12"), problems("extras.account1", ProblemPattern)},
		"order unprintable":   {"P1012", "1234567890", order("1234567890\x00"), problems("extras.account1", ProblemText)},
		"order twice":         {"P1012", "1234567890", map[string]string{"account1": "1234567890", "ev_account1": "1234567890"}, problems("extras.account1", ProblemTwice)},
		"misspelt":            {"P1012", "1234567890", map[string]string{"acount1": "1234567890"}, problems("extras.account1", ProblemMissing, "extras.acount1", ProblemUnknown)},
		"everything at once":  {"P1012", "0", map[string]string{"b": "", "a": ""}, problems("account", ProblemPattern, "extras.account1", ProblemMissing, "extras.a", ProblemUnknown, "extras.b", ProblemUnknown)},
	} {
		t.Run(name, func(t *testing.T) {
			service := seedService(t, test.service)
			if got := service.CheckInputs(test.account, test.extras); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			service.patterns = nil // made by hand, or read from our own JSON
			if got := service.CheckInputs(test.account, test.extras); !reflect.DeepEqual(got, test.want) {
				t.Errorf("without a catalogue: got %v, want %v", got, test.want)
			}
		})
	}
}

// The partner's patterns are .NET's, and foreign code: they never hang us and
// are never passed over.
func TestPatterns(t *testing.T) {
	for name, test := range map[string]struct {
		pattern, value, want string
	}{
		"none":                          {``, "anything", ""},
		"look-ahead fits":               {`^(?!.*\.\.)[a-z.]{3,}$`, "a.b.c", ""},
		"look-ahead does not":           {`^(?!.*\.\.)[a-z.]{3,}$`, "a..c", ProblemPattern},
		"back reference":                {`^(\d)\1$`, "77", ""},
		"back reference does not":       {`^(\d)\1$`, "78", ProblemPattern},
		"unicode escape":                {`^[\u0410-\u044F]+$`, "Иванов", ""},
		"Cyrillic is a word in .NET":    {`^\w+$`, "Иванов", ""},
		"word boundary":                 {`^.+\bов$`, "Иван ов", ""},
		"word boundary within a word":   {`^.+\bов$`, "Иванов", ProblemPattern},
		"subtraction":                   {`^[a-z-[aeiou]]+$`, "bcd", ""},
		"subtraction does not":          {`^[a-z-[aeiou]]+$`, "bad", ProblemPattern},
		"not anchored":                  {`\d{3}`, "abc123def", ""},
		"cost without look-around":      {`^(a+)+$`, strings.Repeat("a", 199) + "!", ProblemPattern},
		"catastrophe":                   {`^(?=a)(a+)+$`, strings.Repeat("a", 199) + "!", ProblemSlow},
		"catastrophe with back tracks":  {`^(?!b)(a|aa)+$`, strings.Repeat("a", 199) + "!", ProblemSlow},
		"unbalanced":                    {`^(\d{10}$`, "1234567890", ProblemBroken},
		"nothing to repeat":             {`*`, "x", ProblemBroken},
		"longer than any sensible":      {strings.Repeat("(", 5000) + strings.Repeat(")", 5000), "x", ProblemBroken},
		"deeper than RE2 allows, bound": {strings.Repeat("(", 2000) + "x" + strings.Repeat(")", 2000), "x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			service := Service{Inputs: []Field{{Name: "account", Required: true}, {Name: "ev_extra", Regexp: test.pattern}}}
			var want []InputProblem
			if test.want != "" {
				want = problems("extras.extra", test.want)
			}
			if got := service.CheckInputs("account", map[string]string{"extra": test.value}); !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// A pattern that does not compile is named before anybody gives a value for it.
func TestBrokenPatterns(t *testing.T) {
	s := Service{Inputs: []Field{
		{Name: "account", Regexp: `(\d{10}`}, {Name: "ev_good", Regexp: `^\d$`}, {Name: "ev_none"}, {Name: "ev_dotnet", Regexp: `^(?!x)\w+$`},
		{Name: "ev_long", Regexp: strings.Repeat("a", maxPattern+1)}, {Name: "ev_slow", Regexp: `^(?=a)(a+)+$`}, {Name: "zone", Regexp: `*`},
	}}
	want := problems("account", ProblemBroken, "extras.long", ProblemBroken, "extras.zone", ProblemBroken)
	if got := s.BrokenPatterns(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := seedService(t, "P1012").BrokenPatterns(); got != nil {
		t.Error(got)
	}
}

// Compiling a foreign pattern ends, whatever it nests, repeats or subtracts.
func TestPatternsThatAreDearToCompile(t *testing.T) {
	nested := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	for _, pattern := range []string{
		nested("(", "", ")", maxPattern/2), nested("(?=", "a", ")", 1000), nested("[a-z-", "[a]", "]", 600), nested("(?(1)", "a", ")", 600),
		nested("(?:", "a", "){0,9}", 400), nested("(", "a", "){1,1000}", 300), nested("(?=(", "a", ")*)", 500), nested("(?i:", `\w`, ")+", 600),
		strings.Repeat(`\pL{1000}`, 400), strings.Repeat(`(?:a|ab)?`, 400) + `\b`, strings.Repeat("a|", 2000) + `\b`,
	} {
		if len(pattern) > maxPattern {
			t.Fatalf("%.20s… is too long to be compiled", pattern)
		}
		s := Service{Inputs: []Field{{Name: "account", Regexp: pattern}}}
		_ = s.BrokenPatterns()
		_ = s.CheckInputs(strings.Repeat("a", 199)+"!", nil)
	}
}

// An input that was not given and is not required is not matched.
func TestOptionalInput(t *testing.T) {
	s := Service{Inputs: []Field{{Name: "ev_email", Regexp: `^.+@.+$`}, {Name: "ev_broken", Regexp: `(`}}}
	if got := s.CheckInputs("account", nil); got != nil {
		t.Error(got)
	}
	if got := s.CheckInputs("account", map[string]string{"email": ""}); !reflect.DeepEqual(got, problems("extras.email", ProblemPattern)) {
		t.Error(got)
	}
}

// One catalogue serves many requests at once (run with -race), and compiles each
// pattern once.
func TestCheckInputsConcurrently(t *testing.T) {
	service := seedService(t, "P1012")
	service.Inputs = append(service.Inputs, Field{Name: "ev_login", Regexp: `^(?!x)\w+$`})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				extras := map[string]string{"account1": "1234567890", "login": "арман"}
				if got := service.CheckInputs("1234567890", extras); got != nil {
					t.Error(got)
				}
			}
		})
	}
	all.Wait()
	n := 0
	service.patterns.compiled.Range(func(any, any) bool { n++; return true })
	if n != 2 {
		t.Errorf("%d patterns were kept", n)
	}
}
