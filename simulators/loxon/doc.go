// Package loxon is a Loxon that reads the card file's statuses from Kafka and keeps books
// of them, so that a test can ask it what arrived, in which order, and what was wrong.
//
// It is written from the document ("Сервис отправки статуса в Loxon через Kafka"), not from
// our producer, so that the two can disagree. It shares the Kafka client with it, but only
// the half that reads. Money stays the text of its number.
//
// # Reading
//
// All partitions, each from its first record, without a consumer group: the topic is the
// books, and a restart reads them anew. A broker that is away, or has no such topic yet, is
// waited for; partitions that are added later are found within 5 seconds.
//
// # What is checked
//
// The message: one JSON object of the document's fields and no others, each once, of its
// type, the date in its form, a status of the document's ten, sums with at most two
// decimals and not below zero, no empty text; at most 64 KiB.
//
// The agreement about repeats: the key is the contract; event-seq counts a contract's
// messages from 1 without gaps, in the order of the partition; event-id is contract/seq; a
// key stays in its partition. A message that comes again with the same seq, id, key and
// bytes is a duplicate and no fault: at-least-once delivery makes them. With other bytes it
// is "changed". A message's header skipped-seq names the numbers directly before its own that
// never come, such as 3 or 3,4: those are no gap. A partition whose oldest records were deleted may begin with any seq.
//
// Everything else is a fault, in the list with its place, and with no content but the
// contract and the name of an unknown field. What a fault hits is in the books all the same.
package loxon
