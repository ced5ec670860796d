// Package abs asks the core banking system (ABS) about one borrower: "Сервисы, которые
// вызываем в АБС" of the card file's integration page.
//
// Four reads, each at an address of its own, which is configured whole: the client, the
// client's accounts, an account's statement on a date, the scan of the loan contract. All
// of them may be repeated at will. error_code 0 is success ("«error_code»:0 - успешный
// ответ"); any other is ABS's own refusal, a result with its text and no error. A scan
// that ABS does not have is its 404, a result too.
//
// Names, IINs and account numbers are in the results, and in no error.
package abs
