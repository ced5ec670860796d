package activities

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"tolem/domain"
	"tolem/partners/processing"
)

// Limits, each with its reason.
const (
	// defaultFirstPerSecond is two calls each of 250 payments: nearly three times
	// what a worker on two cores was measured to carry, so that it cuts a flood off
	// and slows nobody down.
	defaultFirstPerSecond = 500
	// firstPatience is how long a first attempt waits for its turn. It keeps a
	// local activity below a workflow task's heartbeat, and the call and its journal
	// within the activity's time-out.
	firstPatience = 2 * time.Second
	// downCalls in a row without an answer, for downFor at least, are an outage: a
	// few calls may be unlucky, and a hundred that die with one connection, or one
	// restart of the centre's balancer, are one event.
	downCalls = 10
	downFor   = 5 * time.Second
	// breakerPause is the time between probes: short beside an outage, and one call
	// per pause and worker burdens nobody.
	breakerPause = 10 * time.Second
)

// Why a call was refused: Refused.Reason, and the reason label of
// tolem_calls_refused_total.
const (
	RefusedByBreaker = "breaker" // the centre plainly does not answer
	RefusedByLimit   = "limit"   // this process makes enough first attempts already
)

// The states that Protection.State names.
const (
	BreakerClosed   = "closed"
	BreakerOpen     = "open"
	BreakerHalfOpen = "half_open"
)

// Protection keeps one worker process from flooding the processing centre with
// first attempts, and from calling it while it is plainly down.
//
// It refuses before anything is sent, so a refusal is no attempt and says nothing
// about the money. Later attempts have their limit, which holds across workers, on
// their task queue; the breaker is for both. A nil *Protection admits everything.
// It is safe for concurrent use.
type Protection struct {
	metrics *Metrics

	queue  sync.Mutex // so that a turn which is too late is given back before the next is taken
	firsts *rate.Limiter

	mu      sync.Mutex // taken inside the breaker's own lock: never call the breaker while holding it
	breaker *breaker
	since   time.Time // when attempts began to pause; zero while it is closed
	probeAt time.Time // when the next probe may be made
}

type breaker = gobreaker.TwoStepCircuitBreaker[struct{}]

// ProtectionOptions are the limits of one process.
type ProtectionOptions struct {
	FirstPerSecond int      // first attempts a second, and at once after a quiet second; 0 = 500
	Metrics        *Metrics // nil counts nothing
}

// Refused is why nothing was sent, and when to ask again.
type Refused struct {
	Reason string // RefusedByBreaker or RefusedByLimit
	// RetryAfter is the time until the next probe may be made, or until the turn
	// would come, and up to a fifth more, so that those who wait do not return
	// together. It is above 0.
	RetryAfter time.Duration
}

// NewProtection returns a closed breaker and an idle limiter.
func NewProtection(o ProtectionOptions) *Protection {
	if o.FirstPerSecond <= 0 {
		o.FirstPerSecond = defaultFirstPerSecond
	}
	p := &Protection{metrics: o.Metrics, firsts: rate.NewLimiter(rate.Limit(o.FirstPerSecond), o.FirstPerSecond)}
	p.breaker = p.newBreaker()
	p.metrics.breaker(processing.Partner, false)
	return p
}

// Admit says whether a call to the centre may be made now. If it may, refused is
// nil, and report must be called once with the error that the client returned;
// defer it where a panic is possible. If it may not, report is nil, nothing may be
// sent, and the attempt is not counted.
//
// A first attempt waits up to 2 s for its turn. It is refused at once when its
// turn would come later, and when ctx ends before its turn. A person's order
// (domain.CauseOperator) is never refused: it is a probe, and reported like one.
func (p *Protection) Admit(ctx context.Context, first bool, cause domain.Cause) (report func(error), refused *Refused) {
	if p == nil {
		return func(error) {}, nil
	}
	ordered := cause == domain.CauseOperator
	if !ordered && p.current().State() == gobreaker.StateOpen { // asked before a turn is used up
		return nil, p.refuse(RefusedByBreaker, p.untilProbe())
	}
	if !ordered && first {
		if late, ok := p.turn(ctx); !ok {
			return nil, p.refuse(RefusedByLimit, late)
		}
	}
	b := p.current()
	done, err := b.Allow()
	switch {
	case err == nil:
		return p.reporting(ctx, done, b.State() == gobreaker.StateHalfOpen), nil
	case ordered:
		return p.reporting(ctx, func(error) {}, false), nil
	default:
		return nil, p.refuse(RefusedByBreaker, p.untilProbe())
	}
}

// State is BreakerClosed, BreakerOpen (nothing is sent) or BreakerHalfOpen (the
// pause is over: one probe is made, or may be made, at a time).
func (p *Protection) State() string {
	if p == nil {
		return BreakerClosed
	}
	switch p.current().State() {
	case gobreaker.StateOpen:
		return BreakerOpen
	case gobreaker.StateHalfOpen:
		return BreakerHalfOpen
	default:
		return BreakerClosed
	}
}

// turn waits for the turn of a first attempt. ok is false when it did not come,
// and late is then how far away it was.
func (p *Protection) turn(ctx context.Context) (late time.Duration, ok bool) {
	p.queue.Lock()
	now := time.Now()
	reserved := p.firsts.ReserveN(now, 1)
	delay := reserved.DelayFrom(now)
	if delay > firstPatience || ctx.Err() != nil {
		reserved.CancelAt(now) // gives all back only while no later turn is reserved: hence the lock
		p.queue.Unlock()
		return delay, false
	}
	p.queue.Unlock()
	if delay == 0 {
		return 0, true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return 0, true
	case <-ctx.Done():
		reserved.Cancel()
		return reserved.Delay(), false
	}
}

func (p *Protection) refuse(reason string, wait time.Duration) *Refused {
	p.metrics.refusedCall(processing.Partner, reason)
	return &Refused{Reason: reason, RetryAfter: wait + 1 + rand.N(wait/5+1)}
}

// untilProbe is the time until the next probe may be made. While one is under way
// nobody knows: it closes the breaker any moment, or opens it for another pause.
func (p *Protection) untilProbe() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait := time.Until(p.probeAt); wait > 0 {
		return wait
	}
	return breakerPause
}

// reporting makes the report of one admitted call.
//
// The breaker drops the outcome of a call that it admitted before its last change
// of state, or did not admit. An answer is proof all the same, so any answer
// closes it: a person's, and one that was slow to come.
//
// A probe has the only place. If its report never comes (a panic), the place is
// free again when ctx ends, which is when its activity does; without this nobody
// would be admitted until the process ends.
func (p *Protection) reporting(ctx context.Context, done func(error), probe bool) func(error) {
	var once sync.Once
	report := func(err error) {
		once.Do(func() {
			done(err)
			if signOf(err) == signAnswer {
				p.close()
			}
		})
	}
	if !probe {
		return report
	}
	stop := context.AfterFunc(ctx, func() { report(context.Cause(ctx)) })
	return func(err error) {
		stop()
		report(err)
	}
}

// newBreaker makes a closed breaker. The pause does not grow: gobreaker has one
// length for all.
func (p *Protection) newBreaker() (made *breaker) {
	var runBegan time.Time // when the first failure of the present run was reported; the breaker's lock guards it
	made = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        processing.Partner,
		MaxRequests: 1, // one probe at a time, and one answer closes
		Interval:    0, // only an answer ends a run of failures
		Timeout:     breakerPause,
		ReadyToTrip: func(counts gobreaker.Counts) bool { // asked at each failure while closed
			if counts.ConsecutiveFailures == 1 {
				runBegan = time.Now()
			}
			return counts.ConsecutiveFailures >= downCalls && time.Since(runBegan) >= downFor
		},
		OnStateChange: func(_ string, _, to gobreaker.State) { p.changed(made, to) },
		IsSuccessful:  func(err error) bool { return signOf(err) == signAnswer },
		IsExcluded:    func(err error) bool { return signOf(err) == signNone },
	})
	return made
}

func (p *Protection) current() *breaker {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.breaker
}

// changed takes note of the breaker's own changes of state.
func (p *Protection) changed(changed *breaker, to gobreaker.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case changed != p.breaker: // an answer had it replaced; calls it admitted still end
	case to == gobreaker.StateClosed:
		p.noteClosed()
	case to == gobreaker.StateOpen:
		p.probeAt = time.Now().Add(breakerPause)
		if p.since.IsZero() { // else a probe failed, which its attempt's own line says
			p.since = time.Now()
			p.metrics.breaker(processing.Partner, true)
			slog.Warn("processing centre does not answer: attempts pause", "partner", processing.Partner, "probe_every", breakerPause)
		}
	}
}

// close ends a pause after an answer that the breaker did not hear. gobreaker
// cannot be closed from outside, so a new one takes its place; what the old one's
// calls still report is dropped, unless it is an answer.
func (p *Protection) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.since.IsZero() {
		p.breaker = p.newBreaker()
		p.noteClosed()
	}
}

func (p *Protection) noteClosed() {
	slog.Info("processing centre answers again: attempts go on", "partner", processing.Partner, "paused", time.Since(p.since))
	p.since, p.probeAt = time.Time{}, time.Time{}
	p.metrics.breaker(processing.Partner, false)
}

// sign is what the end of a call says about the centre.
type sign int

const (
	signNone    sign = iota // it ended on our side
	signAnswer              // the centre lives, whatever it said
	signSilence             // no code came
)

// signOf reads the error of a call. A rejection (401, 404, …) is an answer: a
// person has to act, but pausing would hide the rejections, not help. An error
// that nobody classified is no plain sign of anything.
func signOf(err error) sign {
	var refusal *processing.Refusal
	var failure *processing.Failure
	switch {
	case err == nil, errors.As(err, &refusal):
		return signAnswer
	case !errors.As(err, &failure):
		return signNone
	case failure.Rejected(), failure.Reason == processing.ReasonBadID, failure.Reason == processing.ReasonBadDetails:
		return signAnswer // in the last two a code came
	case failure.Kind == domain.Unavailable, failure.Reason == processing.ReasonCancelled, failure.Reason == processing.ReasonNoBody:
		return signNone // not sent, or cut off by us
	default:
		return signSilence
	}
}
