// Package abs is a core banking system (ABS) that answers the card file's four questions
// over HTTP and keeps books of who asked what.
//
// It is written from the document ("Сервисы, которые вызываем в АБС"), not from our client,
// so that the two can disagree.
//
// # Calls
//
// GET /client?iinbin= · /accounts?iinbin= · /statement?iban=&dt= ·
// /scan?dbz_num=&dbz_dt=&iinbin=. The first three answer in JSON, 200 whatever they say:
// error_code 0 is success, any other comes with its error_text. A scan is PDF or TIFF; one
// that is not there is 404.
//
// A parameter that is missing, malformed or given twice is error_code 2, for a scan in the
// body of its 404: the document knows no other refusal. Dates are accepted in the layout of
// the settings alone, that of the document's examples unless told otherwise.
//
// # What it holds
//
// Everybody and everything, invented from the number asked about, the same at every time: a
// client for every IIN or BIN of twelve digits (a fifth digit of 4 to 6 is a company), with
// one to three accounts whose IBANs have right check digits; the line of a loan's disbursement for
// every IBAN on every day; a scan for every contract, in four of five cases PDF, its
// Cyrillic file name spelled in one of three ways. Check digits of what is asked about are
// not verified: the document's own examples are zeros.
//
// # Scripts, faults, gates
//
// A script lays down what the next requests of a call, about anything or about one number,
// get: a refusal, an empty list, or an answer that goes wrong. A storm draws faults from a
// seed, a gate holds answers back. Malformed requests get their refusal and use nothing up.
// Everything but gates and an outage survives in abs.jsonl.
package abs
