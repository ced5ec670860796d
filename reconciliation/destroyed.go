package reconciliation

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"

	"tolem/domain"
)

// kept is how many digits of a number a spreadsheet keeps.
const kept = 15

// What a spreadsheet leaves of values that it took for something else.
var (
	// shortNumber is a long number: 1.75E+17, 1,75000000000001E+017, or a column too narrow.
	shortNumber = regexp.MustCompile(`^([0-9]+([.,][0-9]+)?[eE]\+?[0-9]+|#+)$`)
	// dateOfAmount is an amount such as 5.10 where it is a date: 05.окт, окт.50, 5-Oct, Oct-50.
	dateOfAmount = regexp.MustCompile(`^([0-9]{1,4}[.\-/]\p{L}{3,8}\.?|\p{L}{3,8}[.\-/][0-9]{1,4}|#+)$`)
)

const (
	destroyedNumbers = "must have all its digits: a spreadsheet cut these numbers to 15, as 1.75E+17 or with zeros at the end, " +
		"and they cannot be restored from this file; send the register as it was given out, or import its columns of ids as text"
	destroyedAmounts = "must be an amount: a spreadsheet made dates of these, and they cannot be restored from this file; " +
		"send the register as it was given out, or import its columns of amounts as text"
)

// shortened is a number with 15 digits and zeros: cut off there, as Excel does, and
// rounded, as LibreOffice does. ok is false for one that loses nothing.
func shortened(number int64) (cut, rounded int64, ok bool) {
	unit := int64(1)
	for range len(strconv.FormatInt(number, 10)) - kept {
		unit *= 10
	}
	cut = number - number%unit
	return cut, (number + unit/2) / unit * unit, cut != number
}

// remainsOf says whether a spreadsheet may have made short of number.
func remainsOf(short, number int64) bool {
	cut, rounded, ok := shortened(number)
	return ok && (short == cut || short == rounded)
}

// looksCut says that a number is too long for a spreadsheet and ends as if one had cut it.
func looksCut(number int64) bool {
	_, _, loses := shortened(number)
	return !loses && tooLong(number)
}

func tooLong(number int64) bool { return len(strconv.FormatInt(number, 10)) > kept }

// lengths counts numbers that are too long for a spreadsheet, and those of them that look as
// if one had cut them.
type lengths struct{ long, short int }

func (l *lengths) count(number int64) {
	if tooLong(number) {
		l.long++
	}
	if looksCut(number) {
		l.short++
	}
}

// doubtful says that most look cut. By chance, of 18 digits one in a thousand does.
func (l *lengths) doubtful() bool { return 2*l.short > l.long }

// traces are what the rows with cut numbers turned out to be.
type traces struct{ intact, cut, line int }

func (t *traces) add(line uint32) {
	if t.cut++; t.line == 0 {
		t.line = int(line)
	}
}

// destroyed looks for what a spreadsheet leaves of numbers, before anything is reported:
// payments of ours whose numbers the register has with 15 digits only. Numbers that really
// end in zeros are those of payments of ours. It goes through the day only where most of
// the register's long numbers look cut.
func (c Comparison) destroyed() error {
	r := c.Register
	if !r.ids.doubtful() && !r.transactions.doubtful() {
		return nil
	}
	var ids, transactions traces
	for ours, err := range c.Ours {
		if err != nil {
			return err
		}
		theirs := r.find(int64(ours.ID))
		if theirs == nil {
			if short := r.remains(ours.ID); short != nil {
				ids.add(short.line)
			}
			continue
		}
		if looksCut(int64(ours.ID)) {
			ids.intact++
		}
		switch {
		case theirs.transactionID == ours.TransactionID && looksCut(ours.TransactionID):
			transactions.intact++
		case remainsOf(theirs.transactionID, ours.TransactionID):
			transactions.add(theirs.line)
		}
	}
	switch {
	case ids.cut > ids.intact:
		return &BadRegister{[]Problem{{ids.line, columns[columnID], RuleDestroyed, destroyedNumbers}}}
	case transactions.cut > transactions.intact:
		return &BadRegister{[]Problem{{transactions.line, columns[columnTransactionID], RuleDestroyed, destroyedNumbers}}}
	}
	return nil
}

// find is the first row of an id; nil for none.
func (r *Register) find(id int64) *entry {
	at, found := slices.BinarySearchFunc(r.order, id, func(i uint32, id int64) int { return cmp.Compare(int64(r.at(i).id), id) })
	if !found {
		return nil
	}
	return r.at(r.order[at])
}

// remains is the row that has what a spreadsheet may have left of an id; nil for none.
func (r *Register) remains(id domain.AgentTransactionID) *entry {
	cut, rounded, ok := shortened(int64(id))
	if !ok {
		return nil
	}
	if e := r.find(cut); e != nil {
		return e
	}
	return r.find(rounded)
}
