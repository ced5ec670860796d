// Package cfront is a bank of trade instalments that speaks the CFRONT protocol over HTTP
// and keeps its own books, so that a test can ask it what became of an order.
//
// It is written from the bank's document ("REST API со стороны CFRONT") and from what is
// known of its family (cfront.md), not from our client, so that the two can disagree.
// Money is in hundredths, read from the text of numbers.
//
// # Calls
//
// POST /api/{client/validate, v2/client/validate, order/create, order/state,
// order/confirm, order/reject, order/check/paid, order/data/for/guarantee/letter (also
// v2), order/guarantee/letter, order/return, order/data, order/info, store/report}. Each
// carries store-id and signature (base64 of HMAC-SHA256 over the raw body); a missing or
// wrong one is 401, an empty body too. Errors are {"message"}; every answer has a
// Trace-Id.
//
// # Two generations
//
// Settings.Profile old: a known store_order_id is 409 {"order_id"}; an unknown order is
// 400; available_programs[].type is required; callbacks also tell SUCCESS. new: 201 with
// the known order's number; unknown orders are 404, but 400 where a letter is asked for;
// just one program of 3 to 25 parts, its type may be left out; at least 2.00; a store may be
// 403; callbacks tell WAITING_FOR_STORE_CONFIRM and FAIL only. In both a changed body under a known
// store_order_id is not compared.
//
// confirm is taken from WAITING_FOR_STORE_CONFIRM, reject from WAITING_FOR_CLIENT and
// WAITING_FOR_STORE_CONFIRM; from anywhere else they are 400 and change nothing, also when
// repeated. In a one-phase store the client's agreement makes the order ACTIVE at once.
// return needs a SUCCESS; a known store_return_id is OK and takes nothing more off.
//
// # Time
//
// An order's state follows from the clock whenever somebody asks, and every 20 ms. Callbacks
// travel by the same clock. Advance makes time pass for the bank alone. A decision of the client comes DecisionDelay
// after create, CLIENT_PUSH_TIMEOUT after PushTimeout, CONFIRM_TIME_EXPIRED after
// ConfirmTimeout (0: never), and check/paid tells of the pay-out PayoutDelay after ACTIVE.
//
// # Phones with a meaning
//
// By the last digit: 0 unknown client (validate: not found, with an SMS; create: FAIL/
// CLIENT_NOT_FOUND) · 1 and 4 the client agrees · 2 never answers · 3
// FAIL/EXCEEDED_SUM_LIMIT · 5 FAIL/PAY_PARTS_ARE_NOT_ACCEPTABLE · 6
// FAIL/NOT_ENOUGH_MONEY_FOR_INIT_DEBIT · 7 the client refuses · 8 FAIL/FRAUD_REJECTED · 9
// FAIL/FAIL. Everything else is reached by Approve, Refuse and SetState. A phone with
// another open order gets FAIL/EXISTS_OTHER_OPEN_ORDER.
//
// # Scripts, faults, gates
//
// As of the simulated processing centre: a script lays down how the answers to the next
// matching requests of a call go wrong, a storm draws faults from a seed, a gate holds
// requests before or after they are processed. Everything but gates and an outage survives
// in cfront.jsonl, callbacks on their way too; one whose answer was not written down is
// delivered again.
package cfront
