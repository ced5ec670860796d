package verification

import (
	"slices"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// waitSlack is how much shorter than the journalled wait the time between two attempts may
// be: a second, because it is measured by two workers' clocks, and two, because a wait counts
// that much of its timer's delay (workflows: timerGrain), by a workflow's clock, which stands
// still while a task is on its way to a worker.
const waitSlack = 3 * time.Second

// journal checks a process's calls. money are the names of those that may have an effect,
// counted is how many the process's row counts, and ended says that an answer ended it.
func (v *verifier) journal(id string, counted int, ended bool, calls []storage.Attempt, money ...string) {
	v.report.Calls += len(calls)
	numbered := map[int]bool{}
	for _, c := range calls {
		numbered[c.Attempt] = true
	}
	missing := 0
	for n := 1; n <= counted; n++ {
		if !numbered[n] {
			missing++
		}
	}
	v.report.check(Journalled, id, missing == 0, "%d of %d attempts are not in the journal", missing, counted)
	for _, name := range money {
		var made []storage.Attempt
		for _, c := range calls {
			if c.Call == name {
				made = append(made, c)
			}
		}
		if len(made) > 0 {
			v.request(id, made)
			last := made[len(made)-1]
			v.report.check(Journalled, id, !ended || last.Reported || answeredAfter(calls, last),
				"it has ended, the last %s has no outcome, and no later call was answered", name)
		}
	}
}

// answeredAfter says that a call after c was answered, and so learned what became of c.
func answeredAfter(calls []storage.Attempt, c storage.Attempt) bool {
	return slices.ContainsFunc(calls, func(later storage.Attempt) bool { return later.ID > c.ID && later.Outcome == storage.Answered })
}

// request checks the attempts of one request that may have an effect.
func (v *verifier) request(id string, made []storage.Attempt) {
	name, digests := made[0].Call, map[string]bool{}
	waited, before := time.Duration(0), made[0]
	for i, c := range made {
		digests[c.BodySHA256] = true
		if c.Cause == domain.CauseScheduled && c.Waited > 0 {
			v.report.check(WaitsGrow, id, c.Waited > waited, "%s %d waited %s after %s", name, c.Attempt, c.Waited, waited)
			waited = c.Waited
			if ended := before.At.Add(before.Duration); i > 0 {
				v.report.check(WaitsGrow, id, c.At.Sub(ended)+waitSlack >= c.Waited, "%s %d began %s after the one before, and %s were to be waited", name, c.Attempt, c.At.Sub(ended), c.Waited)
			}
		}
		before = c
	}
	v.report.check(SameBytes, id, len(digests) == 1, "%d attempts of %s have %d different bodies", len(made), name, len(digests))
}
