// Package reconciliation compares one day of our payments with the register
// that the processing centre gives for it ("по данному идентификатору
// производится дальнейшая сверка взаиморасчетов", v20). It does no I/O of its
// own: a register is read from an io.Reader, our rows come as a sequence,
// differences go to a function, so that neither day nor answer is ever held
// whole.
//
// Protocol v20 names the ids and the date to reconcile by and describes no
// register. [assumption] The register's columns are therefore those that we
// export, its states are the words of states.go, its file is CSV.
//
// Every payment of ours is counted in one class, every row of the register too.
// A row of both sides counts once:
//
//	match + mismatch + missingThere             = rows.here  + rows.otherDay
//	match + mismatch + missingHere + duplicate  = rows.there + rows.onlyHere
//
// where otherDay are payments of ours that the register has and our day has not,
// and onlyHere those matches and mismatches that the register does not have.
package reconciliation
