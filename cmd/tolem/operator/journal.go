package operator

import (
	"strconv"
	"time"
)

// attempt is what is shown of one call to a partner.
type attempt struct {
	Attempt       int       `json:"attempt"`
	Call          string    `json:"call"`
	Cause         string    `json:"cause"`
	WaitedMs      int64     `json:"waitedMs"`
	StartedAt     time.Time `json:"startedAt"`
	DurationMs    int64     `json:"durationMs"`
	Outcome       string    `json:"outcome"`
	Failure       string    `json:"failure"`
	HTTPStatus    int       `json:"httpStatus"`
	ResultCode    *int      `json:"resultCode"`
	ResultMessage string    `json:"resultMessage"`
	ResultText    string    `json:"resultText"`
	TraceID       string    `json:"traceId"`
	Reported      bool      `json:"reported"`
}

// said is what came of a call.
func (a attempt) said() string {
	code, status, trace := "", "", ""
	if a.ResultCode != nil {
		code = strconv.Itoa(*a.ResultCode)
		if a.Call == "check" || a.Call == "pay" { // the API's text is the processing centre's table, whoever was called
			code += " " + a.ResultText
		}
	}
	if a.HTTPStatus != 0 && a.HTTPStatus != 200 {
		status = "HTTP " + strconv.Itoa(a.HTTPStatus)
	}
	if a.TraceID != "" {
		trace = "trace " + a.TraceID
	}
	return joined(word(!a.Reported, "the process died before it could tell"), code, a.Failure, status, a.ResultMessage, trace)
}

func attemptTable() listing {
	head := func(c clock) []string {
		return []string{"#", "STARTED (" + c.name() + ")", "CALL", "CAUSE", "WAITED", "TOOK", "OUTCOME", "WHAT CAME"}
	}
	return tableOf(head, func(a attempt, c clock) []string {
		waited, took := "", ""
		if a.WaitedMs > 0 {
			waited = milliseconds(a.WaitedMs)
		}
		if a.Reported {
			took = milliseconds(a.DurationMs)
		}
		return []string{strconv.Itoa(a.Attempt), c.at(a.StartedAt), a.Call, a.Cause, waited, took, a.Outcome, a.said()}
	})
}

func milliseconds(n int64) string {
	if n == 0 {
		return "<1ms"
	}
	return (time.Duration(n) * time.Millisecond).String()
}

func actionTable() listing {
	head := func(c clock) []string {
		return []string{"WHEN (" + c.name() + ")", "WHO", "ACTION", "DID", "REASON", "EVIDENCE"}
	}
	return tableOf(head, func(a placed, c clock) []string {
		did := a.Effect
		if did == "" {
			did = "nothing"
		}
		return []string{c.at(a.RequestedAt), a.By, joined(a.Action, a.Outcome), did, a.Reason, a.Evidence}
	})
}
