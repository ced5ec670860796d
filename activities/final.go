package activities

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"tolem/domain"
	"tolem/storage"
)

// FinalType is the type of errors that no repetition changes: what was asked for names
// nothing in the ledger, or is no valid input. Only such an error ends what a workflow
// insists on; every other means that the ledger does not answer.
const FinalType = "Final"

// final marks an error that no repetition changes as one that is not to be repeated.
func final(err error) error {
	if !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, domain.ErrID) {
		return err
	}
	return temporal.NewNonRetryableApplicationError(err.Error(), FinalType, nil)
}

// IsFinal says whether an activity failed for good.
func IsFinal(err error) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.Type() == FinalType
}

// maxStep bounds a step that comes from a workflow: each is one thing that the workflow
// asked for, so no real one comes near. A larger one would leave no room for later steps.
const maxStep = 1 << 40

func checkStep(step int) error {
	if step < 0 || step > maxStep {
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf("step %d is not between 0 and %d", step, maxStep), FinalType, nil)
	}
	return nil
}

func checkReason(why domain.OperatorReason) error {
	if !why.Known() {
		return temporal.NewNonRetryableApplicationError("unknown operator reason", FinalType, nil)
	}
	return nil
}
