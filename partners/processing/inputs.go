package processing

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// InputProblem is one reason not to send a request. It never repeats the value.
type InputProblem struct {
	Field  string `json:"field"` // "account" or "extras.<name without ev_>"
	Reason string `json:"reason"`
}

// The reasons of CheckInputs.
const (
	ProblemMissing = "is required"
	ProblemTooLong = "is longer than 200 characters"
	ProblemText    = "is not plain text (control characters or broken UTF-8)"
	ProblemPattern = "does not match the pattern of the catalogue"
	ProblemBroken  = "pattern of the catalogue does not compile"
	ProblemSlow    = "pattern of the catalogue takes too long on this value"
	ProblemUnknown = "is not an input of this service"
	ProblemTwice   = "is given twice, with and without ev_"
)

const inputAccount = "account"

// ExtraContractID is the extra in which a chosen contract travels: it comes from
// check's answer, not from the catalogue.
const ExtraContractID = "contractId"

// matchTimeout bounds one match of a pattern that RE2 cannot run: the partner's
// patterns are foreign code.
const matchTimeout = 100 * time.Millisecond

// maxPattern bounds a pattern in bytes: compilers recurse, and a stack overflow
// cannot be recovered from. The document's longest has 18.
const maxPattern = 4096

// CheckInputs says what is wrong with the payer's input, in the order of the
// catalogue; nil means that it may be sent: "Перед отправкой запроса в
// процессинг, интерфейс Агента должен произвести проверку корректности в
// соответствии с регулярным выражением".
//
// The account is always required, at most 200 characters. Required inputs must
// be there and not be empty, inputs that are there must match their pattern, and
// extras that the catalogue does not name are refused, except contractId: the
// centre would drop a misspelt one without a word. Extras may be named with or
// without ev_.
func (s Service) CheckInputs(account string, extras map[string]string) []InputProblem {
	check := inputCheck{patterns: s.patterns, given: map[string]string{}}
	if check.patterns == nil {
		check.patterns = new(patterns)
	}
	for _, name := range slices.Sorted(maps.Keys(extras)) {
		short := strings.TrimPrefix(name, extraPrefix)
		if _, twice := check.given[short]; twice {
			check.problem("extras."+short, ProblemTwice)
		}
		check.given[short] = extras[name]
	}
	check.account(account, s.Inputs)
	known := map[string]bool{ExtraContractID: true}
	for _, input := range s.Inputs {
		if input.Name == inputAccount {
			continue
		}
		short := strings.TrimPrefix(input.Name, extraPrefix)
		known[short] = true
		check.extra(short, input)
	}
	for _, name := range slices.Sorted(maps.Keys(check.given)) {
		if !known[name] {
			check.problem("extras."+name, ProblemUnknown)
		}
	}
	return check.problems
}

// BrokenPatterns names the inputs whose pattern does not compile, in the order
// of the catalogue; nil when all do. CheckInputs refuses whatever is given for
// them. It compiles what has not been compiled yet and matches nothing; a pattern
// over 4096 bytes is broken without being compiled.
func (s Service) BrokenPatterns() (broken []InputProblem) {
	compiled := s.patterns
	if compiled == nil {
		compiled = new(patterns)
	}
	for _, input := range s.Inputs {
		if input.Regexp != "" && compiled.get(input.Regexp) == nil {
			broken = append(broken, InputProblem{fieldOf(input), ProblemBroken})
		}
	}
	return broken
}

// fieldOf names an input in a problem.
func fieldOf(input Field) string {
	if input.Name == inputAccount {
		return inputAccount
	}
	return "extras." + strings.TrimPrefix(input.Name, extraPrefix)
}

// inputCheck collects problems.
type inputCheck struct {
	patterns *patterns
	given    map[string]string // extras by their short names
	problems []InputProblem
}

func (c *inputCheck) problem(field, reason string) {
	c.problems = append(c.problems, InputProblem{field, reason})
}

func (c *inputCheck) account(account string, inputs []Field) {
	switch {
	case account == "":
		c.problem(inputAccount, ProblemMissing)
		return
	case utf8.RuneCountInString(account) > maxAccount:
		c.problem(inputAccount, ProblemTooLong)
		return
	case !plain(account):
		c.problem(inputAccount, ProblemText)
		return
	}
	for _, input := range inputs {
		if input.Name == inputAccount {
			c.match(inputAccount, input.Regexp, account)
		}
	}
}

func (c *inputCheck) extra(name string, input Field) {
	value, given := c.given[name]
	field := fieldOf(input)
	switch {
	case input.Required && value == "":
		c.problem(field, ProblemMissing)
	case !given:
	case !plain(value):
		c.problem(field, ProblemText)
	default:
		c.match(field, input.Regexp, value)
	}
}

func (c *inputCheck) match(field, pattern, value string) {
	if pattern == "" {
		return
	}
	matches := c.patterns.get(pattern)
	if matches == nil {
		c.problem(field, ProblemBroken)
		return
	}
	if reason := matches(value); reason != "" {
		c.problem(field, reason)
	}
}

// plain says whether s is valid text without control characters; "$" of .NET
// also matches before a final line end.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// matcher says why a value does not fit, "" when it does.
type matcher func(value string) (reason string)

// patterns keeps the compiled patterns of one catalogue, each compiled once and
// when it is first needed. Its zero value is ready and safe for concurrent use.
type patterns struct{ compiled sync.Map } // pattern text → func() matcher

// get is the pattern's matcher, nil when it does not compile.
func (p *patterns) get(pattern string) matcher {
	once, ok := p.compiled.Load(pattern)
	if !ok {
		once, _ = p.compiled.LoadOrStore(pattern, sync.OnceValue(func() matcher { return compile(pattern) }))
	}
	return once.(func() matcher)() // only this function stores, and only this type
}

// dotNetOnly are the spellings that RE2 compiles and reads otherwise than .NET,
// whose patterns these are: its word characters include Cyrillic letters, and
// "-[" subtracts a class.
var dotNetOnly = []string{`\w`, `\W`, `\b`, `\B`, `-[`}

// compile prefers RE2, which runs in linear time, and takes a backtracking
// engine with a time-out for what RE2 cannot say. It is nil when neither can.
func compile(pattern string) matcher {
	if len(pattern) > maxPattern {
		return nil
	}
	foreign := slices.ContainsFunc(dotNetOnly, func(s string) bool { return strings.Contains(pattern, s) })
	if re2, err := regexp.Compile(pattern); err == nil && !foreign {
		return func(value string) string { return reasonFor(re2.MatchString(value), nil) }
	}
	dotNet, err := regexp2.Compile(pattern, regexp2.None)
	if err != nil {
		return nil
	}
	dotNet.MatchTimeout = matchTimeout
	return func(value string) string { return reasonFor(dotNet.MatchString(value)) }
}

// reasonFor turns the outcome of a match into a reason.
func reasonFor(matched bool, err error) string {
	switch {
	case err != nil:
		return ProblemSlow // a time-out is the only error a match has
	case !matched:
		return ProblemPattern
	}
	return ""
}
