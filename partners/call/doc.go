// Package call makes one HTTP call to a partner, and says what became of it.
//
// The rules, which every partner's client shares:
//
//   - Nothing is ever sent twice behind the caller's back: HTTP/1.1 only, no GetBody, no
//     Idempotency-Key, no redirects, no retries. Repeating is the caller's decision.
//   - A Failure says nothing about what the partner did: its kind is Unknown, but for a
//     context that was over before anything was dialled. "Connection refused" is Unknown
//     too.
//   - No error carries a body, a token, a query or an address: those hold names, phones
//     and account numbers. An *url.Error is never returned.
//   - Every answer has a limit.
package call
