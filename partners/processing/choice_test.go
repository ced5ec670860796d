package processing

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"tolem/domain"
)

// almaty is a zone whose days begin earlier than UTC's.
var almaty = time.FixedZone("Almaty", 5*60*60)

// beforeExpiry is a moment at which the document's receipt ("expireDate":
// "20200229000000") can still be paid.
var beforeExpiry = time.Date(2020, 2, 17, 16, 48, 37, 0, almaty)

// answered is one of the document's answers to check.
func answered(t testing.TB, name string) Reply {
	t.Helper()
	reply, err := decodeReply(golden(t, "responses", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// fixedAt is an answer that displays a fixed amount, as "Herbalife" (P1012) does.
func fixedAt(amount string) Reply {
	return Reply{Displays: map[string]string{"fio": "Test fio", "info": "Сумма к оплате", "fixedAmount": amount}}
}

// receipt is the document's receipt with limits on the power's line.
func receipt(t testing.TB, low, high domain.Money) Reply {
	t.Helper()
	r := answered(t, "check-invoice")
	power := &r.Invoices[0].Services[0].Data
	power.MinSum, power.MaxSum = &low, &high
	return r
}

// lines reads "36 359.80 4875.5, 2 40.20" as paid lines.
func lines(t testing.TB, text string) (paid []PaidService) {
	t.Helper()
	for line := range strings.SplitSeq(text, ", ") {
		parts := strings.Split(line, " ")
		amount, err := domain.ParseMoney(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		s := PaidService{SubServiceID: parts[0], Amount: amount}
		if len(parts) > 2 {
			s.LastCount = &parts[2]
		}
		paid = append(paid, s)
	}
	return paid
}

// choiceTest is one choice and what comes of it: a completed one, or problems.
type choiceTest struct {
	reply Reply
	asked Requested
	given Choice
	want  Choice
	wrong []InputProblem
}

func (c choiceTest) run(t *testing.T) {
	t.Helper()
	got, wrong := c.reply.CheckChoice(c.asked, c.given, beforeExpiry)
	if !reflect.DeepEqual(wrong, c.wrong) {
		t.Errorf("problems\n got %v\nwant %v", wrong, c.wrong)
	}
	if !reflect.DeepEqual(got, c.want) {
		t.Errorf("completed\n got %s\nwant %s", shown(t, got), shown(t, c.want))
	}
}

func shown(t *testing.T, c Choice) string {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func both(to, from domain.Money) Choice { return Choice{AmountTo: &to, AmountFrom: &from} }

func TestChoiceOfAmounts(t *testing.T) {
	plain := answered(t, "check")
	asked := Requested{AmountTo: money(200_00)}
	given := Requested{AmountTo: money(200_00), AmountFrom: money(210_00)}
	for name, test := range map[string]choiceTest{
		"go-ahead":                      {reply: plain, asked: asked, want: both(200_00, 200_00)},
		"go-ahead with commission":      {reply: plain, asked: given, want: both(200_00, 210_00)},
		"the same amount said again":    {reply: plain, asked: given, given: Choice{AmountTo: money(200_00)}, want: both(200_00, 210_00)},
		"another commission":            {reply: plain, asked: given, given: Choice{AmountFrom: money(205_00)}, want: both(200_00, 205_00)},
		"amount named now":              {reply: plain, given: Choice{AmountTo: money(1)}, want: both(1, 1)},
		"both named now":                {reply: plain, given: both(180_00, 200_00), want: both(180_00, 200_00)},
		"another amount":                {reply: plain, asked: asked, given: Choice{AmountTo: money(300_00)}, want: both(300_00, 300_00)},
		"another amount and commission": {reply: plain, asked: given, given: both(300_00, 310_00), want: both(300_00, 310_00)},
		"the largest":                   {reply: plain, given: Choice{AmountTo: money(MaxAmount)}, want: both(MaxAmount, MaxAmount)},
		"displays stop nothing":         {reply: answered(t, "check-displays"), asked: asked, want: both(200_00, 200_00)},
		"rates stop nothing":            {reply: answered(t, "check-international"), asked: asked, want: both(200_00, 200_00)},
		"amountFrom before amountTo":    {reply: plain, asked: Requested{AmountFrom: money(210_00)}, given: Choice{AmountTo: money(200_00)}, want: both(200_00, 210_00)},

		"no amount": {reply: plain, wrong: problems("amountTo", ProblemMissing)},
		"zero":      {reply: plain, given: Choice{AmountTo: money(0)}, wrong: problems("amountTo", ProblemAmount)},
		"negative":  {reply: plain, asked: asked, given: Choice{AmountTo: money(-1)}, wrong: problems("amountTo", ProblemAmount)},
		"too large": {reply: plain, given: Choice{AmountTo: money(MaxAmount + 1)}, wrong: problems("amountTo", ProblemAmount)},
		"amountFrom too large": {reply: plain, asked: asked, given: Choice{AmountFrom: money(MaxAmount + 1)},
			wrong: problems("amountFrom", ProblemAmount)},
		"amountFrom below": {reply: plain, asked: asked, given: Choice{AmountFrom: money(199_99)},
			wrong: problems("amountFrom", "is below amountTo: 199.99, amountTo is 200.00")},
		"amountFrom has to be given anew": {reply: plain, asked: given, given: Choice{AmountTo: money(100_00)},
			wrong: problems("amountFrom", "is required: amountTo is not the one that the request's amountFrom was for")},
		"both wrong": {reply: plain, given: both(0, 0), wrong: problems("amountTo", ProblemAmount, "amountFrom", ProblemAmount)},
		"nothing else is asked": {
			reply: plain, asked: asked, given: Choice{ContractID: "000000588", ExtraServices: lines(t, "2 200.00")},
			wrong: problems("contractId", ProblemNoContracts, "extraServices", ProblemNoReceipt)},
		"the request's contract is its own": {reply: plain, asked: Requested{AmountTo: money(200_00), ContractID: "000000588"}, want: both(200_00, 200_00)},
	} {
		t.Run(name, test.run)
	}
	if !strings.Contains(ProblemAmount, MaxAmount.String()) || !strings.Contains(ProblemSumTooLarge, MaxAmount.String()) {
		t.Error("the reasons name another limit than " + MaxAmount.String())
	}
}

// "fixedPayment … фиксированная сумма платежа (true – для услуг при оплате
// которых необходима фиксированная сумма платежа например оплата заказа или брони)".
func TestChoiceOfAFixedAmount(t *testing.T) {
	asked := Requested{AmountTo: money(200_00)}
	for name, test := range map[string]choiceTest{
		"taken where none was named": {reply: fixedAt("20000.00"), want: both(20000_00, 20000_00)},
		"named by the request":       {reply: fixedAt("200.00"), asked: asked, want: both(200_00, 200_00)},
		"mended by the payer":        {reply: fixedAt("20000.00"), asked: asked, given: Choice{AmountTo: money(20000_00)}, want: both(20000_00, 20000_00)},
		"written without decimals":   {reply: fixedAt("200"), asked: asked, want: both(200_00, 200_00)},
		"commission on top":          {reply: fixedAt("200.00"), given: Choice{AmountFrom: money(210_00)}, want: both(200_00, 210_00)},

		"the request's differs": {reply: fixedAt("20000.00"), asked: asked,
			wrong: problems("amountTo", "is not the fixed amount that check displayed: 200.00, must be 20000.00")},
		"the payer's differs": {reply: fixedAt("200.00"), asked: asked, given: Choice{AmountTo: money(200_01)},
			wrong: problems("amountTo", "is not the fixed amount that check displayed: 200.01, must be 200.00")},
		"commission has to be given anew": {
			reply: fixedAt("300.00"), asked: Requested{AmountTo: money(200_00), AmountFrom: money(210_00)}, given: Choice{AmountTo: money(300_00)},
			wrong: problems("amountFrom", ProblemMissing+": amountTo is not the one that the request's amountFrom was for")},
		"unreadable":           {reply: fixedAt("20 000,00"), asked: asked, given: Choice{AmountTo: money(20000_00)}, wrong: problems("amountTo", ProblemFixed)},
		"as .NET writes it":    {reply: fixedAt("2E2"), asked: asked, want: both(200_00, 200_00)},
		"as Oracle writes it":  {reply: fixedAt(" 200.0000 "), asked: asked, want: both(200_00, 200_00)},
		"empty":                {reply: fixedAt(""), wrong: problems("amountTo", ProblemFixed)},
		"nothing to pay":       {reply: fixedAt("0.00"), wrong: problems("amountTo", ProblemAmount)},
		"more than can be":     {reply: fixedAt("1000000000.00"), wrong: problems("amountTo", ProblemAmount)},
		"fixed on a contract":  {reply: Reply{Displays: fixedAt("1.00").Displays, Contracts: []Contract{{ContractID: "1"}}}, wrong: problems("contractId", ProblemMissing)},
		"fixed on one, chosen": {reply: Reply{Displays: fixedAt("1.00").Displays, Contracts: []Contract{{ContractID: "1"}}}, given: Choice{ContractID: "1"}, want: Choice{AmountTo: money(1_00), AmountFrom: money(1_00), ContractID: "1"}},
	} {
		t.Run(name, test.run)
	}
}

// "contractId … идентификатор договора который пользователь выбрал из ответа на
// запрос проверки (check)".
func TestChoiceOfAContract(t *testing.T) {
	offered := answered(t, "check-contracts")
	single := offered
	single.Contracts = offered.Contracts[:1]
	asked := Requested{AmountTo: money(200_00)}
	chose := func(id string) Choice {
		return Choice{AmountTo: money(200_00), AmountFrom: money(200_00), ContractID: id}
	}
	for name, test := range map[string]choiceTest{
		"the document's": {reply: offered, asked: asked, given: Choice{ContractID: "000000588"}, want: chose("000000588")},
		"the request's":  {reply: offered, asked: Requested{AmountTo: money(200_00), ContractID: "000000589"}, want: chose("000000589")},
		"the payer's wins": {reply: offered, asked: Requested{AmountTo: money(200_00), ContractID: "000000589"}, given: Choice{ContractID: "000000587"},
			want: chose("000000587")},
		"the only one": {reply: single, asked: asked, given: Choice{ContractID: "000000587"}, want: chose("000000587")},

		"none":                          {reply: offered, asked: asked, wrong: problems("contractId", ProblemMissing)},
		"none of one":                   {reply: single, asked: asked, wrong: problems("contractId", ProblemMissing)},
		"another":                       {reply: offered, asked: asked, given: Choice{ContractID: "000000586"}, wrong: problems("contractId", ProblemNotOffered)},
		"its number is not its id":      {reply: offered, asked: asked, given: Choice{ContractID: "1/00-Ф"}, wrong: problems("contractId", ProblemNotOffered)},
		"the request's was not offered": {reply: single, asked: Requested{AmountTo: money(1), ContractID: "000000588"}, wrong: problems("contractId", ProblemNotOffered)},
		"no amount, no contract":        {reply: offered, wrong: problems("amountTo", ProblemMissing, "contractId", ProblemMissing)},
	} {
		t.Run(name, test.run)
	}
}

// "общая сумма платежа по всем оплачиваемым услугам из квитанции должна быть
// равна сумме платежа т.е. amountTo"; "lastCount … передается если услуга
// счетчиковая"; "0- ограничений нет".
func TestChoiceOfLines(t *testing.T) {
	offered := answered(t, "check-invoice") // 36 is metered, 13 and 2 are not
	limited := receipt(t, 100_00, 5000_00)
	all := lines(t, "36 359.80 4875.5, 13 80.00, 2 925.20")
	paid := func(to, from domain.Money, chosen []PaidService) Choice {
		return Choice{AmountTo: &to, AmountFrom: &from, ExtraServices: chosen}
	}
	of := func(text string) Choice { return Choice{ExtraServices: lines(t, text)} }
	for name, test := range map[string]choiceTest{
		"all of it":             {reply: offered, given: Choice{ExtraServices: all}, want: paid(1365_00, 1365_00, all)},
		"with the amount":       {reply: offered, given: paid(1365_00, 1400_00, all), want: paid(1365_00, 1400_00, all)},
		"the request's amount":  {reply: offered, asked: Requested{AmountTo: money(80_00)}, given: of("13 80.00"), want: paid(80_00, 80_00, lines(t, "13 80.00"))},
		"at the least":          {reply: limited, given: of("36 100.00 1"), want: paid(100_00, 100_00, lines(t, "36 100.00 1"))},
		"at the most":           {reply: limited, given: of("36 5000.00 999999999999.999"), want: paid(5000_00, 5000_00, lines(t, "36 5000.00 999999999999.999"))},
		"0 is no limit":         {reply: offered, given: of("2 999999999.99"), want: paid(MaxAmount, MaxAmount, lines(t, "2 999999999.99"))},
		"another amount, fixed": {reply: Reply{Invoices: offered.Invoices, Displays: fixedAt("80.00").Displays}, given: of("13 80.00"), want: paid(80_00, 80_00, lines(t, "13 80.00"))},

		"no lines":             {reply: offered, wrong: problems("extraServices", ProblemMissing)},
		"no lines, an amount":  {reply: offered, asked: Requested{AmountTo: money(80_00)}, wrong: problems("extraServices", ProblemMissing)},
		"not of this receipt":  {reply: offered, given: of("37 150.00"), wrong: problems("extraServices[0].subServiceId", ProblemNotOffered)},
		"twice":                {reply: offered, given: of("2 40.00, 2 40.00"), wrong: problems("extraServices[1].subServiceId", ProblemLineTwice)},
		"nothing for a line":   {reply: offered, given: of("2 0.00, 13 80.00"), wrong: problems("extraServices[0].amount", ProblemAmount)},
		"negative to make up":  {reply: offered, given: of("2 -20.00, 13 100.00"), wrong: problems("extraServices[0].amount", ProblemAmount)},
		"nothing at all":       {reply: offered, given: of("2 0.00"), wrong: problems("extraServices[0].amount", ProblemAmount)},
		"no reading":           {reply: offered, given: of("36 359.80"), wrong: problems("extraServices[0].lastCount", ProblemMissing)},
		"empty reading":        {reply: offered, given: of("36 359.80 "), wrong: problems("extraServices[0].lastCount", ProblemReading)},
		"reading in words":     {reply: offered, given: of("36 359.80 много"), wrong: problems("extraServices[0].lastCount", ProblemReading)},
		"reading, 4 decimals":  {reply: offered, given: of("36 359.80 1.0000"), wrong: problems("extraServices[0].lastCount", ProblemReading)},
		"reading, 13 digits":   {reply: offered, given: of("36 359.80 1234567890123"), wrong: problems("extraServices[0].lastCount", ProblemReading)},
		"reading, a line end":  {reply: offered, given: of("36 359.80 1\n"), wrong: problems("extraServices[0].lastCount", ProblemReading)},
		"reading of no meter":  {reply: offered, given: of("13 80.00 5"), wrong: problems("extraServices[0].lastCount", ProblemNoMeter)},
		"below the least":      {reply: limited, given: of("36 99.99 1"), wrong: problems("extraServices[0].amount", ProblemBelowMin+": 99.99, at least 100.00")},
		"above the most":       {reply: limited, given: of("36 5000.01 1"), wrong: problems("extraServices[0].amount", ProblemAboveMax+": 5000.01, at most 5000.00")},
		"a tiyn short":         {reply: offered, given: paid(1365_01, 1365_01, all), wrong: problems("extraServices", ProblemSum+": 1365.00, amountTo is 1365.01")},
		"not the request's":    {reply: offered, asked: Requested{AmountTo: money(450_00)}, given: of("13 80.00"), wrong: problems("extraServices", ProblemSum+": 80.00, amountTo is 450.00")},
		"not the fixed amount": {reply: Reply{Invoices: offered.Invoices, Displays: fixedAt("81.00").Displays}, given: of("13 80.00"), wrong: problems("amountTo", ProblemNotFixed+": 80.00, must be 81.00")},
		"more than can be":     {reply: offered, given: of("2 999999999.99, 13 0.01"), wrong: problems("extraServices", ProblemSumTooLarge)},
		"overflow": {reply: offered, given: of("2 92233720368547758.07, 13 0.01"),
			wrong: problems("extraServices", ProblemSumTooLarge, "extraServices[0].amount", ProblemAmount)},
		"everything at once": {reply: limited, given: paid(10_00, 9_00, lines(t, "36 1.00 x, 37 0.00, 13 5.00 7, 13 4.00")), wrong: problems(
			"amountFrom", ProblemBelowTo+": 9.00, amountTo is 10.00",
			"extraServices[0].amount", ProblemBelowMin+": 1.00, at least 100.00", "extraServices[0].lastCount", ProblemReading,
			"extraServices[1].subServiceId", ProblemNotOffered, "extraServices[1].amount", ProblemAmount,
			"extraServices[2].lastCount", ProblemNoMeter, "extraServices[3].subServiceId", ProblemLineTwice)},
		"a line without a name": {reply: offered, given: Choice{ExtraServices: []PaidService{{Amount: 80_00}}}, wrong: problems("extraServices[0].subServiceId", ProblemMissing)},
	} {
		t.Run(name, test.run)
	}
}

// One subServiceId may stand in two receipts: the chosen line fits if it fits one
// of them, and is taken once.
func TestChoiceFromTwoReceipts(t *testing.T) {
	offered := receipt(t, 100_00, 5000_00)
	offered.Invoices = append(offered.Invoices, Invoice{Services: []InvoiceService{
		{SubServiceID: "36", Data: InvoiceData{MaxSum: money(10_00)}}, // no meter here
		{SubServiceID: "114", SubServiceName: "Домофон"},
	}})
	for name, test := range map[string]choiceTest{
		"of the first":  {reply: offered, given: Choice{ExtraServices: lines(t, "36 100.00 1")}, want: Choice{AmountTo: money(100_00), AmountFrom: money(100_00), ExtraServices: lines(t, "36 100.00 1")}},
		"of the second": {reply: offered, given: Choice{ExtraServices: lines(t, "36 10.00, 114 1.00")}, want: Choice{AmountTo: money(11_00), AmountFrom: money(11_00), ExtraServices: lines(t, "36 10.00, 114 1.00")}},
		"of neither":    {reply: offered, given: Choice{ExtraServices: lines(t, "36 10.00 1")}, wrong: problems("extraServices[0].amount", ProblemBelowMin+": 10.00, at least 100.00")},
		"of both":       {reply: offered, given: Choice{ExtraServices: lines(t, "36 100.00 1, 36 10.00")}, wrong: problems("extraServices[1].subServiceId", ProblemLineTwice)},
	} {
		t.Run(name, test.run)
	}
}

// "expireDate … дата до которой необходимо оплатить квитанцию".
func TestChoiceOfAnExpiredReceipt(t *testing.T) {
	at := func(text string) time.Time {
		moment, err := time.ParseInLocation(time.DateTime, text, almaty)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for name, c := range map[string]struct {
		expires string
		now     time.Time
		refused bool
	}{
		"a day counts to its end":     {"20200229000000", at("2020-02-29 23:59:59"), false},
		"the next day":                {"20200229000000", at("2020-03-01 00:00:00"), true},
		"the day as another zone's":   {"20200229000000", at("2020-03-01 00:00:00").UTC(), false},
		"at the minute":               {"20200229120000", at("2020-02-29 12:00:00"), false},
		"after the minute":            {"20200229120000", at("2020-02-29 12:00:01"), true},
		"none":                        {"", at("2030-01-01 00:00:00"), false},
		"no such day":                 {"20200230000000", at("2030-01-01 00:00:00"), false},
		"written another way":         {"2020-02-29", at("2030-01-01 00:00:00"), false},
		"zeros":                       {"00000000000000", at("2030-01-01 00:00:00"), false},
		"a fraction is no time 00:00": {"20200229000000.5", at("2020-02-29 00:00:01"), true},
	} {
		t.Run(name, func(t *testing.T) {
			reply := answered(t, "check-invoice")
			reply.Invoices[0].ExpireDate = c.expires
			var want []InputProblem
			if c.refused {
				want = problems("extraServices[0].subServiceId", ProblemExpired)
			}
			if _, wrong := reply.CheckChoice(Requested{}, Choice{ExtraServices: lines(t, "2 1.00")}, c.now); !reflect.DeepEqual(wrong, want) {
				t.Errorf("got %v, want %v", wrong, want)
			}
			reply.Invoices = append(reply.Invoices, Invoice{Services: reply.Invoices[0].Services}) // the same line, without a date
			if _, wrong := reply.CheckChoice(Requested{}, Choice{ExtraServices: lines(t, "2 1.00")}, c.now); wrong != nil {
				t.Errorf("another receipt has the line: %v", wrong)
			}
		})
	}
}

// A stored choice comes back as it was.
func TestChoiceIsStoredAsJSON(t *testing.T) {
	c := Choice{AmountTo: money(450_00), AmountFrom: money(455_50), ContractID: "1/00-Ф", ExtraServices: lines(t, "114 100.00 11236, 37 350.00")}
	const want = `{"amountTo":450.00,"amountFrom":455.50,"contractId":"1/00-Ф","extraServices":[{"subServiceId":"114","amount":100.00,"lastCount":"11236"},{"subServiceId":"37","amount":350.00}]}`
	if got := shown(t, c); got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
	var again Choice
	if err := json.Unmarshal([]byte(want), &again); err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("%v: %+v", err, again)
	}
	if got := shown(t, Choice{}); got != "{}" {
		t.Errorf("no choice is %s", got)
	}
}

// paidBy is the order that a payment with this choice sends.
func paidBy(c Choice) PayRequest {
	p := seedPay()
	p.AmountTo, p.AmountFrom, p.ExtraServices = *c.AmountTo, *c.AmountFrom, c.ExtraServices
	if c.ContractID != "" {
		p.Extras = map[string]string{ExtraContractID: c.ContractID}
	}
	return p
}
