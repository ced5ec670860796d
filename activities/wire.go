package activities

import (
	"context"

	"go.temporal.io/sdk/activity"
)

// Names on the wire: of workflow types, activities, updates, signals, task queues,
// schedules and search attributes. They are in recorded histories, in schedules and in
// other programs, so none ever changes; the names in Go are free. Registration and calls
// both take them from here, and a test compares the whole list with a golden one.

// Workflow types.
const (
	WorkflowPayment      = "Payment"
	WorkflowSweep        = "Sweep"
	WorkflowBalance      = "Balance"
	WorkflowCatalogue    = "Catalogue"
	WorkflowIntake       = "Intake"
	WorkflowOrder        = "Order"
	WorkflowReturn       = "Return"
	WorkflowMove         = "OrderMove"
	WorkflowPaymentOrder = "PaymentOrder"
	WorkflowLoanIntake   = "LoanIntake"
)

// Task queues.
const (
	QueueMain       = "tolem"      // workflows and their local activities
	QueueProcessing = "processing" // later attempts; its rate limit holds across workers
	QueueCFRONT     = "cfront"     // calls that change something at the bank; its rate limit holds across workers
	QueueABS        = "abs"        // questions to the core banking system, which stream files
	QueueLoxon      = "loxon"      // events to Kafka
)

// Schedules. The id is the workflow's too.
const (
	ScheduleSweep     = "sweep"
	ScheduleBalance   = "balance"
	ScheduleCatalogue = "catalogue"
	// ScheduleLedgerMark is paused and starts nothing: its note holds the ledger's mark.
	ScheduleLedgerMark = "ledger-mark"
)

// Signals.
const (
	// NudgeSignal wakes a workflow to look again. A nudge that finds nothing to do
	// changes nothing, so it may come late, twice or never.
	NudgeSignal = "nudge"
	// SignalMore tells an intake that rows of its batch were committed. It has no content.
	SignalMore = "more"
)

// Updates. Operator actions are updates too, each with the name of its domain.Action.
const (
	UpdateChoose = "choose" // the ledger holds the payer's choice; it carries nothing
	UpdateDecide = "decide" // the ledger holds the store's decision; it carries nothing
)

// Search attributes, shared by all processes.
const (
	AttributeState         = "TolemState"
	AttributeResultCode    = "ResultCode"
	AttributeServiceID     = "ServiceId"
	AttributeAttempts      = "Attempts"
	AttributeNextAttemptAt = "NextAttemptAt"
	AttributeNeedsOperator = "NeedsOperator"
)

// Activity is an activity's name on the wire. Its type parameters let the compiler check
// the input and result of a call, which the SDK does not.
type Activity[In, Out any] struct{ Name string }

// Activities.
var (
	Check        = Activity[AttemptInput, AttemptResult]{"Check"}
	Pay          = Activity[AttemptInput, AttemptResult]{"Pay"}
	CommitChoice = Activity[AttemptInput, AttemptResult]{"CommitChoice"}
	CommitIntent = Activity[AttemptInput, AttemptResult]{"CommitIntent"}

	EndPayment    = Activity[EndInput, EndResult]{"EndPayment"}
	FlagPayment   = Activity[FlagInput, FlagResult]{"FlagPayment"}
	FollowOrder   = Activity[FollowInput, FollowResult]{"FollowOrder"}
	ConfirmOrder  = Activity[ConfirmInput, ConfirmResult]{"ConfirmOrder"}
	LapseProposal = Activity[LapseInput, LapseResult]{"LapseProposal"}
	LookUpAction  = Activity[LookUpInput, LookUpResult]{"LookUpAction"}
	ReadPayment   = Activity[ReadInput, ReadResult]{"ReadPayment"}

	ReadOrder    = Activity[OrderCallInput, OrderCallResult]{"ReadOrder"}
	AskClient    = Activity[OrderCallInput, OrderCallResult]{"AskClient"}
	CreateAtBank = Activity[OrderCallInput, OrderCallResult]{"CreateAtBank"}
	DecideAtBank = Activity[OrderCallInput, OrderCallResult]{"DecideAtBank"}
	AskState     = Activity[OrderCallInput, OrderCallResult]{"AskState"}
	AskPayout    = Activity[OrderCallInput, OrderCallResult]{"AskPayout"}
	AskContract  = Activity[OrderCallInput, OrderCallResult]{"AskContract"}
	ReturnAtBank = Activity[ReturnCallInput, ReturnCallResult]{"ReturnAtBank"}
	AskReturned  = Activity[ReturnCallInput, ReturnCallResult]{"AskReturned"}
	ReadReturn   = Activity[ReturnCallInput, ReturnCallResult]{"ReadReturn"}
	MoveSettled  = Activity[MoveInput, MoveResult]{"MoveSettled"}

	EndUnsentOrder         = Activity[EndOrderInput, OrderStanding]{"EndUnsentOrder"}
	FlagInstalmentOrder    = Activity[FlagOrderInput, FlagResult]{"FlagInstalmentOrder"}
	FollowInstalmentAction = Activity[FollowOrderInput, FollowOrderResult]{"FollowInstalmentAction"}
	AutoConfirm            = Activity[AutoConfirmInput, OrderStanding]{"AutoConfirm"}
	FlagReturn             = Activity[FlagReturnInput, FlagResult]{"FlagReturn"}

	ReadContract  = Activity[CollectionInput, CollectionStanding]{"ReadContract"}
	GatherDossier = Activity[CollectionInput, CollectionStanding]{"GatherDossier"}
	SendRequest   = Activity[CollectionInput, CollectionStanding]{"SendRequest"}
	TellLoxon     = Activity[CollectionInput, CollectionStanding]{"TellLoxon"}
	FlagContract  = Activity[CollectionInput, CollectionStanding]{"FlagContract"}
	SeekEvents    = Activity[CollectionInput, CollectionStanding]{"SeekEvents"}

	StartMissing = Activity[SweepInput, SweepResult]{"StartMissing"}
	WatchBalance = Activity[BalanceInput, BalanceResult]{"WatchBalance"}
	Refresh      = Activity[CatalogueInput, CatalogueResult]{"Refresh"}
	StartPage    = Activity[IntakePageInput, IntakePageResult]{"StartPage"}
	StartLoans   = Activity[LoanPageInput, LoanPageResult]{"StartLoans"}
)

// Registration binds an activity's wire name to what it runs.
type Registration struct {
	Name string
	Run  any // func(context.Context, In) (Out, error) of the Activity with that name
}

func (a Activity[In, Out]) runs(do func(context.Context, In) (Out, error)) Registration {
	return Registration{a.Name, do}
}

// Registry is the part of a worker, or of a test environment, that takes activities.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// Register registers everything that each set runs, under its wire names.
func Register(r Registry, sets ...Set) {
	for _, set := range sets {
		for _, a := range set.wire() {
			r.RegisterActivityWithOptions(a.Run, activity.RegisterOptions{Name: a.Name})
		}
	}
}

// Registrations lists what the sets run, in their order.
func Registrations(sets ...Set) (all []Registration) {
	for _, set := range sets {
		all = append(all, set.wire()...)
	}
	return all
}

// Set is a struct of this package whose methods are activities.
type Set interface{ wire() []Registration }

func (p *Processing) wire() []Registration {
	return []Registration{Check.runs(p.Check), Pay.runs(p.Pay), CommitChoice.runs(p.CommitChoice), CommitIntent.runs(p.CommitIntent)}
}

func (l *Ledger) wire() []Registration {
	return []Registration{
		EndPayment.runs(l.EndPayment), FlagPayment.runs(l.FlagPayment), FollowOrder.runs(l.FollowOrder),
		ConfirmOrder.runs(l.ConfirmOrder), LapseProposal.runs(l.LapseProposal), LookUpAction.runs(l.LookUpAction), ReadPayment.runs(l.ReadPayment),
		EndUnsentOrder.runs(l.EndUnsentOrder), FlagInstalmentOrder.runs(l.FlagInstalmentOrder),
		FollowInstalmentAction.runs(l.FollowInstalmentAction), AutoConfirm.runs(l.AutoConfirm), FlagReturn.runs(l.FlagReturn),
	}
}

func (c *CFRONT) wire() []Registration {
	return []Registration{
		ReadOrder.runs(c.ReadOrder), AskClient.runs(c.AskClient), CreateAtBank.runs(c.CreateAtBank), DecideAtBank.runs(c.DecideAtBank),
		AskState.runs(c.AskState), AskPayout.runs(c.AskPayout), AskContract.runs(c.AskContract),
		ReturnAtBank.runs(c.ReturnAtBank), AskReturned.runs(c.AskReturned), ReadReturn.runs(c.ReadReturn), MoveSettled.runs(c.MoveSettled),
	}
}

func (c *Collection) wire() []Registration {
	return []Registration{
		ReadContract.runs(c.ReadContract), GatherDossier.runs(c.GatherDossier), SendRequest.runs(c.SendRequest),
		TellLoxon.runs(c.TellLoxon), FlagContract.runs(c.FlagContract), SeekEvents.runs(c.SeekEvents),
	}
}

func (s *Sweep) wire() []Registration     { return []Registration{StartMissing.runs(s.StartMissing)} }
func (b *Balance) wire() []Registration   { return []Registration{WatchBalance.runs(b.WatchBalance)} }
func (c *Catalogue) wire() []Registration { return []Registration{Refresh.runs(c.Refresh)} }
func (i *Intake) wire() []Registration    { return []Registration{StartPage.runs(i.StartPage)} }
func (l *Loans) wire() []Registration     { return []Registration{StartLoans.runs(l.StartLoans)} }
