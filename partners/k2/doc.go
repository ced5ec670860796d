// Package k2 reads and answers what the card file of encumbrances (K2) is sent: "Сервисы для
// приема" of its integration page. K2 is us: the bank's collection system is who calls.
//
//   - /restapi/services/k2loan_from_eko: a JSON array of overdue loans, taken whole or
//     refused whole. The document's example has empty objects as place-holders: they are
//     refused like any bad item.
//   - /restapi/services/k2req_status_from_eko: a status of one payment order, by its
//     reference.
//
// Both are answered with HTTP 200 and {"error_text":"","error_code":0}; error_code 0 is
// success ("«error_code»:0 - успешный ответ"), and every refusal has another code and names
// item, field and rule, never a value: those are names and account numbers.
package k2
