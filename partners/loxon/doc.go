// Package loxon tells Loxon, over Kafka, what became of payment orders: "Сервис отправки
// статуса в Loxon через Kafka" of the card file's integration page.
//
// One JSON object a message, its key the contract, so that one contract's messages stay in
// one partition and in order. The headers event-id, event-seq and process-id are ours: the
// document has none. So is traceparent, of W3C Trace Context, on events that came while
// somebody traced; it is that of the event and not of the attempt.
//
// A message may have the header skipped-seq: the numbers directly before its own that will never
// come, such as "3" or "3,4". Two people set those events aside because they can never be
// published; a reader that finds any other gap has lost something.
//
// A contract's events stay in the partition of its first one, also when the topic grows: whoever
// sends says which that is. Destination finds it, and a topic that was recreated or shrunk,
// before anything is sent.
//
// Sending may be repeated, with the same bytes and headers, and has to be until it succeeds: an error
// of Send does not mean that nothing was stored, unless the Failure is Final. Order holds
// as long as message n+1 of a contract is sent only after message n was acknowledged; who
// leaves a message out loses it and the order. Readers leave out what has a seq that they
// have seen.
//
// No error carries a message, a contract or a password.
package loxon
