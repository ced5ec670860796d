package reconciliation

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tolem/domain"
)

const (
	day      = "2026-02-17"
	header   = "agentTransactionId,transactionId,agentTransactionDate,serviceId,amountTo,state\n"
	allRows  = 2_000_000
	atNoon   = day + "T12:00:00"
	dayAfter = "2026-02-18T00:00:01"
)

func money(tiyn int64) *domain.Money { m := domain.Money(tiyn); return &m }

// ours is a payment of 200.00 with transaction 1000+id, in a state, on the day.
func ours(id int64, state domain.State) Row {
	return Row{
		ID: domain.AgentTransactionID(id), AgentTransactionDate: atNoon, TransactionID: 1000 + id, ServiceID: "P1011",
		AmountTo: money(200_00), State: state,
	}
}

// corrected is ours(7) whose money is elsewhere than its state says.
func corrected(state domain.State, money domain.MoneyWhere) Row {
	row := ours(7, state)
	row.Correction = money
	return row
}

// books are a ledger: the rows of all days.
type books []Row

// day is the rows of one day in the order of ids.
func (b books) day(date string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		sorted := slices.Clone(b)
		slices.SortFunc(sorted, func(x, y Row) int { return int(x.ID - y.ID) })
		for _, row := range sorted {
			if strings.HasPrefix(row.AgentTransactionDate, date) && !yield(row, nil) {
				return
			}
		}
	}
}

func (b books) find(_ context.Context, ids []domain.AgentTransactionID) (found []Row, err error) {
	if len(ids) > 500 {
		return nil, fmt.Errorf("%d ids at once", len(ids))
	}
	for _, row := range b {
		if slices.Contains(ids, row.ID) {
			found = append(found, row)
		}
	}
	return found, nil
}

func register(t *testing.T, text string) *Register {
	t.Helper()
	r, err := ReadRegister(strings.NewReader(text), Limits{Rows: allRows})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// compare runs a comparison and checks the sums that every one keeps.
func compare(t *testing.T, here books, there string) (Result, []Difference) {
	t.Helper()
	var differences []Difference
	result, err := Compare(t.Context(), Comparison{
		Date: day, Register: register(t, there), Ours: here.day(day), Elsewhere: here.find,
		Report: func(d Difference) error { differences = append(differences, d); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	c, r := result.Counts, result.Rows
	if c.Match+c.Mismatch+c.MissingThere != r.Here+r.OtherDay {
		t.Errorf("our payments do not add up: %+v", result)
	}
	if c.Match+c.Mismatch+c.MissingHere+c.Duplicate != r.There+r.OnlyHere {
		t.Errorf("the register's rows do not add up: %+v", result)
	}
	if len(differences) != c.Mismatch+c.MissingThere+c.MissingHere+c.Duplicate {
		t.Errorf("%d differences reported of %+v", len(differences), c)
	}
	return result, differences
}

func TestEveryClassAndKind(t *testing.T) {
	const agrees = "7,1007,2026-02-17T12:00:00,P1011,200.00,success\n"
	elsewhere := ours(7, domain.StateSucceeded)
	elsewhere.AgentTransactionDate = dayAfter
	unpaid := ours(7, domain.StateAwaitingPayer)
	unpaid.AmountTo = nil
	untold := ours(7, domain.StateResolvedSucceeded)
	untold.TransactionID = 0
	for name, c := range map[string]struct {
		here  books
		there string
		want  string // class and kind and line of each difference
		match int
		open  int
	}{
		"moved on both sides":            {books{ours(7, domain.StateSucceeded)}, agrees, "", 1, 0},
		"decided by a person, no number": {books{untold}, agrees, "", 1, 0},
		"the register gives ids only":    {books{ours(7, domain.StateSucceeded)}, "7,,,,200,0\n", "", 1, 0},
		"transaction 0 is none":          {books{ours(7, domain.StateSucceeded)}, "7,0,,,200,0\n", "", 1, 0},
		"moved on neither side":          {books{ours(7, domain.StateRefused)}, "7,5,2026-01-01,P9,1.00,300\n", "", 1, 0},
		"resolved, rejected":             {books{ours(7, domain.StateResolvedRefused)}, "7,,,,,rejected\n", "", 1, 0},
		"cancelled, absent":              {books{ours(7, domain.StateCancelled)}, "", "", 1, 0},
		"expired, absent":                {books{ours(7, domain.StateExpired)}, "", "", 1, 0},
		"refused, absent":                {books{ours(7, domain.StateRefused)}, "", "", 1, 0},
		"open on both sides":             {books{ours(7, domain.StatePaying)}, "7,1007,,,200,153\n", "", 1, 1},
		"no amount yet on both sides":    {books{unpaid}, "7,1007,,,,pending\n", "", 1, 1},

		"amount":                         {books{ours(7, domain.StateSucceeded)}, strings.Replace(agrees, "200.00", "200.01", 1), "mismatch/amount/2", 0, 0},
		"amount of open ones":            {books{ours(7, domain.StatePaying)}, "7,,,,201,1\n", "mismatch/amount/2", 0, 0},
		"amount there only":              {books{unpaid}, "7,,,,200,1\n", "mismatch/amount/2", 0, 0},
		"amount here only":               {books{ours(7, domain.StatePaying)}, "7,,,,,1\n", "mismatch/amount/2", 0, 0},
		"refused there":                  {books{ours(7, domain.StateSucceeded)}, "7,1007,,,200,refused\n", "mismatch/state/2", 0, 0},
		"open there":                     {books{ours(7, domain.StateSucceeded)}, "7,1007,,,200,220\n", "mismatch/state/2", 0, 0},
		"moved there":                    {books{ours(7, domain.StateRefused)}, agrees, "mismatch/state/2", 0, 0},
		"open here, moved there":         {books{ours(7, domain.StatePaying)}, agrees, "mismatch/state/2", 0, 0},
		"open here, refused there":       {books{ours(7, domain.StatePaying)}, "7,,,,200,declined\n", "mismatch/state/2", 0, 0},
		"a state that nobody knows here": {books{ours(7, "new")}, agrees, "mismatch/state/2", 0, 0},
		"state before amount":            {books{ours(7, domain.StateSucceeded)}, "7,,,,1,5\n", "mismatch/state/2", 0, 0},
		"transaction":                    {books{ours(7, domain.StateSucceeded)}, strings.Replace(agrees, "1007", "1008", 1), "mismatch/transactionId/2", 0, 0},
		"service":                        {books{ours(7, domain.StateSucceeded)}, strings.Replace(agrees, "P1011", "p1011", 1), "mismatch/serviceId/2", 0, 0},
		"day in the register":            {books{ours(7, domain.StateSucceeded)}, strings.Replace(agrees, "02-17", "02-18", 1), "mismatch/date/2", 0, 0},
		"day in our ledger":              {books{elsewhere}, agrees, "mismatch/date/2", 0, 0},
		"day in both":                    {books{elsewhere}, strings.Replace(agrees, "02-17", "02-18", 1), "mismatch/date/2", 0, 0},
		"amount before another day":      {books{elsewhere}, strings.Replace(agrees, "200.00", "1.00", 1), "mismatch/amount/2", 0, 0},
		"open here, absent there":        {books{ours(7, domain.StatePaying)}, "", "mismatch/open_here/0", 0, 0},
		"accepted here, absent there":    {books{ours(7, domain.StateAccepted)}, "", "mismatch/open_here/0", 0, 0},

		"refused, corrected, moved there":    {books{corrected(domain.StateRefused, domain.MoneyMoved)}, agrees, "", 1, 0},
		"refused, corrected, absent there":   {books{corrected(domain.StateRefused, domain.MoneyMoved)}, "", "missingThere/absent/0", 0, 0},
		"resolved, corrected, another sum":   {books{corrected(domain.StateResolvedRefused, domain.MoneyMoved)}, strings.Replace(agrees, "200.00", "1.00", 1), "mismatch/amount/2", 0, 0},
		"paid, corrected, refused there":     {books{corrected(domain.StateSucceeded, domain.MoneyNotMoved)}, "7,1007,,,200,refused\n", "", 1, 0},
		"paid, corrected, absent there":      {books{corrected(domain.StateResolvedSucceeded, domain.MoneyNotMoved)}, "", "", 1, 0},
		"paid, corrected, moved there":       {books{corrected(domain.StateSucceeded, domain.MoneyNotMoved)}, agrees, "mismatch/state/2", 0, 0},
		"corrected as it was":                {books{corrected(domain.StateRefused, domain.MoneyNotMoved)}, "", "", 1, 0},
		"nothing open is taken as corrected": {books{corrected(domain.StatePaying, domain.MoneyMoved)}, agrees, "mismatch/state/2", 0, 0},

		"moved here, absent there":    {books{ours(7, domain.StateSucceeded)}, "", "missingThere/absent/0", 0, 0},
		"resolved here, absent there": {books{ours(7, domain.StateResolvedSucceeded)}, "", "missingThere/absent/0", 0, 0},
		"absent here":                 {nil, agrees, "missingHere/absent/2", 0, 0},
		"refused there, absent here":  {nil, "7,,,,1,5\n", "missingHere/absent/2", 0, 0},

		"an id twice":             {books{ours(7, domain.StateSucceeded)}, agrees + agrees, "duplicate/id/3", 1, 0},
		"an id three times":       {books{ours(7, domain.StateSucceeded)}, agrees + "7,9,,,5,1\n" + agrees, "duplicate/id/3 duplicate/id/4", 1, 0},
		"the first is compared":   {books{ours(7, domain.StateSucceeded)}, "7,,,,1,0\n" + agrees, "mismatch/amount/2 duplicate/id/3", 0, 0},
		"twice there, absent":     {nil, agrees + agrees, "missingHere/absent/2 duplicate/id/3", 0, 0},
		"a transaction for two":   {books{ours(7, domain.StateSucceeded), ours(8, domain.StateSucceeded)}, "8,1007,,,200,0\n" + agrees, "missingThere/repeated/3 duplicate/transactionId/3 mismatch/transactionId/2", 0, 0},
		"a transaction, one open": {books{ours(7, domain.StateSucceeded), ours(8, domain.StatePaying)}, agrees + "8,1007,,,200,0\n", "mismatch/open_here/3 duplicate/transactionId/3", 1, 0},
		"a transaction, unknown":  {books{ours(7, domain.StateSucceeded)}, agrees + "6,1007,,,200,0\n", "duplicate/transactionId/3", 1, 0},
		"0 is nobody's":           {books{ours(7, domain.StateRefused), ours(8, domain.StateRefused)}, "7,0,,,,5\n8,0,,,,5\n", "", 2, 0},
		"an id and a transaction": {books{ours(7, domain.StateSucceeded)}, agrees + "7,1009,,,200,0\n9,1009,,,3,0\n", "duplicate/id/3 missingHere/absent/4", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			result, differences := compare(t, c.here, header+c.there)
			var got []string
			for _, d := range differences {
				got = append(got, fmt.Sprintf("%s/%s/%d", d.Class, d.Kind, d.Line))
			}
			if strings.Join(got, " ") != c.want || result.Counts.Match != c.match || result.Open != c.open {
				t.Errorf("%v, %+v; want %q", got, result, c.want)
			}
		})
	}
}

// The sum of what moved is that of the corrections.
func TestSumsFollowCorrections(t *testing.T) {
	moved := ours(8, domain.StateRefused)
	moved.Correction = domain.MoneyMoved
	result, _ := compare(t, books{corrected(domain.StateSucceeded, domain.MoneyNotMoved), moved, ours(9, domain.StateRefused)}, header)
	if result.Amounts.Here != 200_00 {
		t.Errorf("%s moved, want 200.00", result.Amounts.Here)
	}
}

func TestADifferenceShowsBothSides(t *testing.T) {
	here := books{ours(7, domain.StateSucceeded)}
	result, differences := compare(t, here, header+"7,1008,2026-02-18T00:00:00,P2,199.99,PAID\n9,,,,5,1\n7,,,,1,ok\n")
	row := here[0]
	want := []Difference{
		{Class: Mismatch, Kind: KindAmount, Line: 2, ID: 7, Here: &row, There: &Entry{
			AgentTransactionDate: "2026-02-18", TransactionID: 1008, ServiceID: "P2", AmountTo: money(199_99), State: "paid",
		}},
		{Class: Duplicate, Kind: KindID, Line: 4, FirstLine: 2, ID: 7, There: &Entry{AmountTo: money(1_00), State: "ok"}},
		{Class: MissingHere, Kind: KindAbsent, Line: 3, ID: 9, There: &Entry{AmountTo: money(5_00), State: "1"}},
	}
	if diff := cmp.Diff(want, differences, cmpopts.IgnoreUnexported(Difference{})); diff != "" {
		t.Error(diff)
	}
	wantResult := Result{
		Counts: Counts{Mismatch: 1, MissingHere: 1, Duplicate: 1}, Rows: Rows{Here: 1, There: 3},
		Amounts: Amounts{Here: 200_00, There: 200_99},
	}
	if diff := cmp.Diff(wantResult, result); diff != "" {
		t.Error(diff)
	}
}

// A payment that is accepted while its day is read counts as one of the day.
func TestAPaymentThatCameMeanwhile(t *testing.T) {
	late := books{ours(7, domain.StateSucceeded)}
	result, err := Compare(t.Context(), Comparison{
		Date: day, Register: register(t, header+"7,,,,200,0\n"), Ours: books{}.day(day), Elsewhere: late.find,
		Report: func(d Difference) error { return fmt.Errorf("reported %+v", d) },
	})
	if err != nil || result.Counts.Match != 1 || result.Rows.Here != 1 || result.Amounts.Here != 200_00 {
		t.Errorf("%+v %v", result, err)
	}
}

func TestErrorsOfACompare(t *testing.T) {
	broken := errors.New("broken")
	fail := func(row Row, err error) iter.Seq2[Row, error] {
		return func(yield func(Row, error) bool) { _ = yield(ours(1, domain.StatePaying), nil) && yield(row, err) }
	}
	huge := ours(2, domain.StateSucceeded)
	huge.AmountTo = money(9_223_372_036_854_775_807)
	both := func(yield func(Row, error) bool) { _ = yield(ours(1, domain.StateSucceeded), nil) && yield(huge, nil) }
	good := Comparison{
		Date: day, Register: register(t, header+"5,,,,200,0\n"), Ours: books{}.day(day), Elsewhere: books{}.find,
		Report: func(Difference) error { return nil },
	}
	for name, change := range map[string]func(c *Comparison){
		"date":  func(c *Comparison) { c.Date = "17.02.2026" },
		"ours":  func(c *Comparison) { c.Ours = fail(Row{}, broken) },
		"order": func(c *Comparison) { c.Ours = fail(ours(1, domain.StatePaying), nil) },
		"sum":   func(c *Comparison) { c.Ours = both },
		"elsewhere": func(c *Comparison) {
			c.Elsewhere = func(context.Context, []domain.AgentTransactionID) ([]Row, error) { return nil, broken }
		},
		"report": func(c *Comparison) { c.Report = func(Difference) error { return broken } },
	} {
		c := good
		change(&c)
		if result, err := Compare(t.Context(), c); err == nil || result != (Result{}) {
			t.Errorf("%s: %+v %v", name, result, err)
		}
	}
	if _, err := Compare(t.Context(), good); err != nil {
		t.Error(err)
	}
}

// Whatever stands on both sides: the sums hold (compare checks them), the order is
// that of ids, and each class is what a plain reading of its rule says.
func TestRandomDays(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	states := append(domain.OpenStates(), domain.TerminalStates()...)
	for range 300 {
		var here books
		for id := range int64(30) {
			if random.IntN(2) == 0 {
				row := ours(id+1, states[random.IntN(len(states))])
				if random.IntN(5) == 0 {
					row.AgentTransactionDate = dayAfter
				}
				here = append(here, row)
			}
		}
		var there strings.Builder
		there.WriteString(header)
		rows := random.IntN(40)
		for range rows {
			fmt.Fprintf(&there, "%d,%d,,P1011,%d.00,%s\n", 1+random.IntN(30), 1000+random.IntN(35), 200+random.IntN(2), words[random.IntN(len(words))].text)
		}
		result, differences := compare(t, here, there.String())
		if result.Rows.There != rows {
			t.Fatalf("%d rows of %d", result.Rows.There, rows)
		}
		if !slices.IsSortedFunc(differences, func(a, b Difference) int { return int(a.ID - b.ID) }) {
			t.Fatalf("not in the order of ids: %+v", differences)
		}
		for _, d := range differences {
			i := slices.IndexFunc(here, func(r Row) bool { return r.ID == d.ID })
			if (d.Class == MissingHere && i >= 0) || (d.Class == MissingThere && effectOf(here[i].State) != moved) ||
				(d.Class == Mismatch && i < 0) || (d.Class == Duplicate && (d.FirstLine == 0 || d.FirstLine >= d.Line)) {
				t.Fatalf("%+v of %+v\n%s", d, here, there.String())
			}
		}
	}
}

// More differences than wait for one look-up.
func TestManyDifferencesKeepTheirOrder(t *testing.T) {
	var here books
	var there strings.Builder
	there.WriteString(header)
	for id := int64(3000); id > 0; id-- {
		switch id % 3 {
		case 0:
			here = append(here, ours(id, domain.StateSucceeded))
		case 1:
			fmt.Fprintf(&there, "%d,,,,1,0\n", id)
		case 2:
			row := ours(id, domain.StateSucceeded)
			row.AgentTransactionDate = dayAfter
			here = append(here, row)
			fmt.Fprintf(&there, "%d,,,,200,0\n", id)
		}
	}
	result, differences := compare(t, here, there.String())
	want := Counts{MissingThere: 1000, MissingHere: 1000, Mismatch: 1000}
	if result.Counts != want || result.Rows.OtherDay != 1000 {
		t.Errorf("%+v", result)
	}
	for i, d := range differences {
		if d.ID != domain.AgentTransactionID(i+1) {
			t.Fatalf("difference %d is of %s", i, d.ID)
		}
	}
}
