package domain

// Question is why a payment waits for its payer between check and pay.
type Question string

// The questions, stable names of the API.
const (
	AsksNothing     Question = ""
	AsksGoAhead     Question = "go_ahead"     // the caller asked for two stages (autoPay false), or check offered nothing to choose from
	AsksAmount      Question = "amount"       // no amountTo was given
	AsksContract    Question = "contract"     // scheme "с выбором": one of contracts
	AsksReceipt     Question = "receipt"      // "комплексная" scheme: services and amounts of a receipt
	AsksFixedAmount Question = "fixed_amount" // amountTo differs from the displayed fixedAmount
)
