// Package cfront is the store's side of the CFRONT protocol of trade instalments ("REST
// API со стороны CFRONT (для торговых партнеров)") and of the family it belongs to
// (cfront.md): HTTP POST, JSON, UTF-8, each body signed with HMAC-SHA256.
//
// Repeating create is safe: the bank keeps one order for a store_order_id and answers a
// repetition with its number. Confirm, reject and return have no such key but the order
// itself and store_return_id: after an answer that did not come, the order's state, or
// its data, is asked before they are sent again.
//
// What an HTTP status means here:
//
//   - 200, and 201 of create: an answer.
//   - 409 of create with an order_id: an answer too, the order that was created before.
//   - 400, 401, 403, 404 and other 4xx: a Rejection; the bank's server decided to refuse
//     this very request, and its text is for people.
//   - 5xx, 408, 429, 3xx, time-out, reset, TLS failure, broken body: a Failure, of which
//     nothing is known.
//
// States are open words: one that the document does not name survives as it came.
package cfront
