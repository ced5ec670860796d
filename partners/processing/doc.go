// Package processing is the agent's side of the processing centre's protocol
// v20 ("Взаимодействие с процессингом"): HTTP POST, JSON, UTF-8.
//
// Repeating is safe: "Если сервис Агента повторно присылает запрос с уже
// существующим в процессинге agentTransactionId, то процессинг возвращает
// результат обработки предыдущего запроса", provided that the body is the same.
// So a body is built once (Body), stored by the caller, and sent again as it is.
// There is no status call: asking again is Pay.
//
// What an HTTP status means here:
//
//   - 2xx with an integer result: an answer, whatever the code (Reply, Refusal).
//   - 401, 403, 404 and other 4xx: no code came; a person has to mend token,
//     address or agreement (Failure, Rejected).
//   - 5xx, 408, 429, 3xx, time-out, reset, TLS failure, broken body: no code
//     came, "Отсутствие связи с процессингом является нефинальной ошибкой"
//     (Failure).
//
// A Failure says nothing about the money: its kind is Unknown, but for a context
// that was over before anything was dialled. Nothing is ever sent twice behind
// the caller's back.
package processing
