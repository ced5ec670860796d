// Package processing is a processing centre that speaks protocol v20 over HTTP
// and keeps its own books, so that a test can ask it where the money is.
//
// It is written from the centre's document ("Взаимодействие с процессингом"),
// not from our client, so that the two can disagree. Sections are quoted by
// their Russian titles. Amounts are integers: tiyn for payments, ten-thousandths
// of a tenge for the agent's balance.
//
// # Calls
//
// POST /api/v20/{services,service,balance,check,pay,operatorByPhone}. Transport
// mistakes get an HTTP status and no code: 401 wrong or missing bearer token,
// 404 unknown call, 405 not POST, 415 Content-Type is not application/json in
// UTF-8, 406 Accept does not name application/json, 413 body over 1 MiB.
// Everything else is HTTP 200 and a code of «Таблица 1». check and pay are
// examined in this order, the first objection is the answer:
//
//	202  not a JSON object, a repeated or unknown name, a missing or mistyped
//	     field; agentTransactionId not an integer number of 1 to 18 digits;
//	     agentTransactionDate not YYYY-MM-DDThh:mm:ss; an amount not written
//	     with exactly two decimals (200, 200.0 and "200.00" are wrong)
//	155  unknown service
//	4    account over 200 characters or not matching the service's regexp
//	202  a required extra missing or not matching its regexp; P1060 without
//	     identityCard and fullName; amountFrom below amountTo; amountFrom missing
//	     at pay of the simple scheme with extras
//	241, 242  amountTo below or above the service's limits
//	5    the account ends in 0000
//	202  pay only: amountTo differs from fixedAmount; contractId not offered;
//	     extraServices not of this receipt, not adding up to amountTo, outside
//	     minSum and maxSum, or without a meter's lastCount
//	7    pay only: the receipt has expired by agentTransactionDate
//	202  another service or account than in this id's successful check
//
// extras names an input without "ev_" (ev_account1 is account1); unknown extras
// are let through ("номер терминала, тип платежа и т.п."). contractId and
// extraServices towards a service of another scheme are 202, so the document's
// own examples of those with P1011 are refused, and so is its check of P1012
// with account "0" (code 4).
//
// # One payment, one effect
//
// check of an unpaid id may be repeated and keeps its transactionId; once a pay
// with that id has arrived, check answers 215. pay needs no check before it.
// The first pay with an id registers its body. A repeat whose JSON values differ
// is answered 202 and touches nothing (note to «Таблица 1»). A repeat of an
// executed payment gets the same transactionId and dates, a repeat of a refused
// one the same code for ever, a repeat of a registered one goes on. amountTo
// leaves the agent's balance; when less than the overdraft (0, see
// SetThresholds) would remain, the answer is 220 and nothing moves until a
// repeat finds enough. Refusals found while examining a first pay are remembered
// too, if its id is legible.
//
// # Services
//
// The document's P1011, P1012, P0005 and P0006, and what its examples or text
// speak of besides: P1030 international, P1040 displays, P1050 a pattern that RE2
// cannot compile and an optional extra, P1060 identityCard and fullName required,
// P1070 the required extras terminal and paymentType and the optional order,
// P0007 two orders to choose from with the contractIds "1/00-Ф" and "2/00-Ф".
// SetCatalogue sends wrong patterns and hides services, to play a broken partner;
// check and pay stay as they were.
//
// # Accounts with a meaning
//
// Ending in 0000: not found (5), in every service. P0006 (contracts): ending in
// 1, one contract; otherwise the document's three. P0005 (receipts), ending in
//
//	2  two receipts with minSum and maxSum and some parameters missing
//	3  a receipt that expired at the end of the month before the request's
//	4  two receipts that both have 36, a meter: one takes 100.00 to 1000.00, the
//	   other 2000.00 to 5000.00. A pay names no receipt: the amount says which
//	   is meant, and 36 may come twice
//	5  a receipt whose line 2 takes at most 500.00 of its paySum 925.2; the
//	   meter's prevCount is 4870.00 (a lower lastCount is taken nevertheless:
//	   meters begin again, and the document does not forbid it)
//
// and otherwise the document's receipt, valid to the end of the month after the
// request's. operatorByPhone knows 705, 771, 776, 777 (P1011).
//
// # Reconciliation
//
// Register is the day's list of payments by agentTransactionDate, as CSV. The
// document says by what to reconcile and not how such a list looks; it can be
// disturbed on purpose.
//
// # Scripts and faults
//
// The control API (see index.txt, served at GET /control) and its Go twins say
// what the next requests are answered. A script is for one call and one id, one
// account, or any payment, and the more specific one wins; each matching request
// uses up one answer, then the centre behaves normally. Transport mistakes, an
// outage and followed redirects use up nothing. A scripted code never hides a
// malformed or changed body: those get their own 202. At pay, 1, 153, 220, 255
// and codes outside the table leave the payment registered; a final refusal is
// remembered, unless the money has moved already (then the earlier result is
// answered). A transient code is answered without touching the books.
//
// Random faults are drawn from the seed, the call, the id and how many requests
// of that call and id came before, so a storm repeats itself whatever the order
// in which requests of different payments arrive, and across a restart.
//
// A gate (Hold, HoldBefore) makes the requests of a call wait until a test lets
// them go on, and Waiting tells when they have come: for races without sleeping.
//
// # What survives
//
// With Options.Dir everything but "down" and the gates is in processing.jsonl:
// one record per request (two with delay_before and at a gate before processing),
// written before the answer. A torn last line is a request that was never
// answered; it is cut off. One process per directory.
package processing
