package domain

// Code is a result code of the processing centre (v20, table 1).
type Code int

// The codes of table 1.
const (
	CodeSuccess            Code = 0
	CodeInProgress         Code = 1
	CodeAccountFormat      Code = 4
	CodeAccountNotFound    Code = 5
	CodeForbidden          Code = 7
	CodeTechnicalBan       Code = 8
	CodeNotImplemented     Code = 130
	CodeSecurityReview     Code = 153
	CodeServiceClosed      Code = 155
	CodeBadRequest         Code = 202
	CodeNumberExists       Code = 215
	CodeAgentLacksFunds    Code = 220
	CodeTooSmall           Code = 241
	CodeTooLarge           Code = 242
	CodeBalanceNotToppedUp Code = 250
	CodeCommission         Code = 255
	CodeOtherError         Code = 300
)

// codeRow is one line of table 1.
type codeRow struct {
	final bool
	text  string
}

// table1 is "Список кодов ответа на запросы" in the order of the seed.
var table1 = map[Code]codeRow{
	CodeSuccess:            {true, "success"},
	CodeInProgress:         {false, "in progress"},
	CodeAccountFormat:      {true, "wrong account format"},
	CodeAccountNotFound:    {true, "account not found"},
	CodeForbidden:          {true, "forbidden by the provider"},
	CodeTechnicalBan:       {true, "forbidden for technical reasons"},
	CodeNotImplemented:     {true, "service not implemented"},
	CodeSecurityReview:     {false, "under security review"},
	CodeServiceClosed:      {true, "service closed"},
	CodeBadRequest:         {true, "bad request data"},
	CodeNumberExists:       {true, "transaction number already exists"},
	CodeAgentLacksFunds:    {false, "agent lacks funds"},
	CodeBalanceNotToppedUp: {true, "agent balance was not topped up"},
	CodeTooSmall:           {true, "amount too small"},
	CodeTooLarge:           {true, "amount too large"},
	CodeCommission:         {false, "commission not allowed"},
	CodeOtherError:         {true, "other error"},
}

// Codes lists table 1's codes, in no order.
func Codes() []Code {
	codes := make([]Code, 0, len(table1))
	for c := range table1 {
		codes = append(codes, c)
	}
	return codes
}

// Known says whether table 1 holds the code.
func (c Code) Known() bool { _, ok := table1[c]; return ok }

// Final says whether table 1 marks the code as final: repeating the same
// request cannot change it. A code outside the table is not final.
func (c Code) Final() bool { return table1[c].final }

// OfRequest says that the code speaks of the last request rather than of the payment:
// 202 of its body, 215 of its number.
func (c Code) OfRequest() bool { return c == CodeBadRequest || c == CodeNumberExists }

// OfPayment says that the code speaks of the payment itself.
func (c Code) OfPayment() bool { return c.Known() && !c.OfRequest() }

// Text is the code in plain words; it never contains personal data.
func (c Code) Text() string {
	if row, ok := table1[c]; ok {
		return row.text
	}
	return "code outside the table"
}
