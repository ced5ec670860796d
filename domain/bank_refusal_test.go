package domain_test

import (
	"testing"

	"tolem/domain"
)

// A refusal is certain when every attempt so far was answered with a definite refusal, "a
// 4xx other than 408, 409, 425 and 429 with the bank's own error body".
func TestCertainRefusal(t *testing.T) {
	refused := func(status int) domain.BankAttempt {
		return domain.BankAttempt{Reported: true, Kind: domain.Invalid, Failure: domain.FailureRejected, Status: status, OwnBody: true}
	}
	foreign := func(status int) domain.BankAttempt {
		a := refused(status)
		a.OwnBody = false
		return a
	}
	reset := domain.BankAttempt{Reported: true, Kind: domain.Unknown, Failure: "reset"}
	broken := domain.BankAttempt{Reported: true, Kind: domain.Unknown, Failure: "status", Status: 500, OwnBody: true}
	answered := domain.BankAttempt{Reported: true, Kind: "answered", Status: 201}
	duplicate := domain.BankAttempt{Reported: true, Kind: domain.Invalid, Failure: domain.FailureDuplicate, Status: 400, OwnBody: true}
	notSent := domain.BankAttempt{Reported: true, Kind: domain.Unavailable, Failure: "cancelled"}
	died := domain.BankAttempt{}
	for name, c := range map[string]struct {
		attempts []domain.BankAttempt
		nothing  bool // at the bank, for certain
		ends     bool
	}{
		"nothing was sent":                    {nil, true, false},
		"400 to the first":                    {[]domain.BankAttempt{refused(400)}, true, true},
		"422 to the first":                    {[]domain.BankAttempt{refused(422)}, true, true},
		"400 that is not the bank's own":      {[]domain.BankAttempt{foreign(400)}, false, false},
		"401 is about us":                     {[]domain.BankAttempt{refused(401)}, true, false},
		"403 is about us":                     {[]domain.BankAttempt{refused(403)}, true, false},
		"404 is about us":                     {[]domain.BankAttempt{refused(404)}, true, false},
		"400 after 401, 403 and 404":          {[]domain.BankAttempt{refused(401), refused(403), refused(404), refused(400)}, true, true},
		"400 after a proxy's 401":             {[]domain.BankAttempt{foreign(401), refused(400)}, false, false},
		"408":                                 {[]domain.BankAttempt{refused(408)}, false, false},
		"409":                                 {[]domain.BankAttempt{refused(409)}, false, false},
		"425":                                 {[]domain.BankAttempt{refused(425)}, false, false},
		"429":                                 {[]domain.BankAttempt{refused(429)}, false, false},
		"400 after 429":                       {[]domain.BankAttempt{refused(429), refused(400)}, false, false},
		"400 after a reset":                   {[]domain.BankAttempt{reset, refused(400)}, false, false},
		"400 after 500":                       {[]domain.BankAttempt{broken, refused(400)}, false, false},
		"400 after an attempt that died":      {[]domain.BankAttempt{died, refused(400)}, false, false},
		"400, and an attempt died after it":   {[]domain.BankAttempt{refused(400), died}, false, false},
		"401, reset, 400":                     {[]domain.BankAttempt{refused(401), reset, refused(400)}, false, false},
		"400 after an answer":                 {[]domain.BankAttempt{answered, refused(400)}, false, false},
		"400 by which the bank has it":        {[]domain.BankAttempt{duplicate}, false, false},
		"400 after one that was not sent":     {[]domain.BankAttempt{notSent, refused(400)}, true, true},
		"the last was not sent":               {[]domain.BankAttempt{refused(401), notSent}, true, false},
		"a 4xx with another word of the call": {[]domain.BankAttempt{{Reported: true, Failure: "bad_signature", Status: 400, OwnBody: true}}, false, false},
	} {
		if got := domain.NothingAtBank(c.attempts); got != c.nothing {
			t.Errorf("%s: nothing at the bank is %v", name, got)
		}
		if got := domain.CertainRefusal(c.attempts); got != c.ends {
			t.Errorf("%s: ends is %v", name, got)
		}
	}
}
