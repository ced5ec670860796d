package processing

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// offer is what check shows the payer besides the plain answer; pay shows it
// again («Варианты ответов аналогичны ответам на проверку»). It follows from
// service, account, date and amount alone, so that pay can be examined without
// a check before it.
type offer struct {
	CurrencyRate string            `json:"currencyRate,omitempty"`
	Rate         json.Number       `json:"rate,omitempty"`
	FinalAmount  json.Number       `json:"finalAmount,omitempty"`
	Currency     string            `json:"currency,omitempty"`
	Displays     map[string]string `json:"displays,omitempty"`
	Contracts    []contract        `json:"contracts,omitempty"`
	Invoice      *invoices         `json:"invoice,omitempty"`
}

type contract struct {
	Name           string `json:"name"`
	ContractID     string `json:"contractId"`
	ContractNumber string `json:"contractNumber"`
	ContractSum    string `json:"contractSum"`
	ContractDate   string `json:"contractDate"`
}

type invoices struct {
	Invoices []invoice `json:"invoices"`
}

type invoice struct {
	InvoiceID     string       `json:"invoiceId,omitempty"`
	FormedDate    string       `json:"formedDate,omitempty"`
	ExpireDate    string       `json:"expireDate,omitempty"`
	ClientName    string       `json:"clientName,omitempty"`
	ClientAddress string       `json:"clientAddress,omitempty"`
	Services      []subService `json:"services"`
}

type subService struct {
	SubServiceID   string   `json:"subServiceId"`
	SubServiceName string   `json:"subServiceName"`
	Data           *subData `json:"data,omitempty"`

	min, max Tiyn // 0 = no limit
}

// subData repeats the document's literals: it writes these amounts without a
// fixed number of decimals (359.8, 0.0).
type subData struct {
	PaySum    json.Number `json:"paySum,omitempty"`
	Tariff    json.Number `json:"tariff,omitempty"`
	MinSum    json.Number `json:"minSum,omitempty"`
	MaxSum    json.Number `json:"maxSum,omitempty"`
	DebtInfo  string      `json:"debtInfo,omitempty"`
	IsMeter   *bool       `json:"isMeter,omitempty"`
	PrevCount string      `json:"prevCount,omitempty"`
	LastCount string      `json:"lastCount,omitempty"`
	SI        string      `json:"si,omitempty"`
	Comment   *string     `json:"comment,omitempty"`
}

// rate of the international service in 10^-10 of a dollar per tenge: the
// document's 0.0020833333, which makes 1.75 USD of 840.00 tenge.
const rate = 20_833_333

// offered returns what the centre shows for a request that it has no objection to.
func offered(s *service, account, date string, to Tiyn) offer {
	switch {
	case s.international:
		return converted(to)
	case s.Type == schemeChoice:
		return offer{Contracts: contractsOf(account)}
	case s.Type == schemeReceipt:
		return offer{Invoice: &invoices{receiptsOf(account, date)}}
	case len(s.Displays) > 0:
		return offer{Displays: shown(s)}
	}
	return offer{}
}

// converted leaves finalAmount out when check named no amount.
func converted(to Tiyn) offer {
	o := offer{CurrencyRate: "Курс конвертации KZT/USD 0.0021", Rate: json.Number(fmt.Sprintf("0.%010d", rate)), Currency: "USD"}
	if to > 0 {
		const one = 10_000_000_000
		cents := (int64(to)*rate + one/2) / one
		o.FinalAmount = json.Number(Tiyn(cents).String())
	}
	return o
}

func shown(s *service) map[string]string {
	values := map[string]string{
		"fio":         "Сериков Арман Маратович",
		"address":     "Набережная 134 кв 5",
		"info":        "Сумма к оплате 20000.00 тенге",
		"fixedAmount": s.fixed.String(),
	}
	shown := map[string]string{}
	for _, d := range s.Displays {
		shown[d.Name] = values[d.Name]
	}
	return shown
}

func contractsOf(account string) []contract {
	all := []contract{
		{"Петров", "000000587", "1/00-Ф", "1000.00", "20200215000000"},
		{"Петров", "000000588", "2/00-Ф", "2000.00", "20200216000000"},
		{"Петров", "000000589", "3/00-Ф", "3000.00", "20200217000000"},
	}
	if strings.HasSuffix(account, "1") {
		return all[:1]
	}
	return all
}

// receiptsOf dates a receipt by the month of the request, so that it has not
// expired and a repeated request gets the same one.
func receiptsOf(account, date string) []invoice {
	const compact = "20060102150405"
	day, err := time.Parse(dateLayout, date)
	if err != nil {
		panic("receipt for an unexamined date") // parseOrder refuses such a date
	}
	formed := time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	first := invoice{
		InvoiceID: "2020020003535444", FormedDate: formed.Format(compact), ExpireDate: formed.AddDate(0, 2, -1).Format(compact),
		ClientName: "Иванов Иван Иванович", ClientAddress: "микрорайон 2, дом 42, кв.4",
		Services: []subService{
			item("36", "Электроэнергия", true, subData{PaySum: "359.8", Tariff: "0.0", SI: "тг/м2"}),
			item("13", "ТО газа ", false, subData{PaySum: "80.0", Tariff: "0.0", SI: "тг/плита"}),
			item("2", "Отопление", false, subData{PaySum: "925.2", Tariff: "500.0", SI: "тг/м2"}),
		},
	}
	if !strings.HasSuffix(account, "2") {
		return []invoice{first}
	}
	first.Services[0].limit(100_00, 5_000_00)
	second := invoice{InvoiceID: "2020020003535445", Services: []subService{
		{SubServiceID: "114", SubServiceName: "Домофон"},
		{SubServiceID: "37", SubServiceName: "Вывоз мусора", Data: &subData{PaySum: "150.0"}},
	}}
	return []invoice{first, second}
}

// item fills in what all lines of the document's receipt have in common.
func item(id, name string, meter bool, own subData) subService {
	none := ""
	own.MinSum, own.MaxSum, own.DebtInfo, own.LastCount, own.Comment = "0.0", "0.0", "0.00", "0.00", &none
	own.IsMeter, own.PrevCount = &meter, "0.00"
	if meter {
		own.PrevCount = "4870.00"
	}
	return subService{SubServiceID: id, SubServiceName: name, Data: &own}
}

func (s *subService) limit(low, high Tiyn) {
	s.min, s.max = low, high
	s.Data.MinSum, s.Data.MaxSum = json.Number(low.String()), json.Number(high.String())
}

func (s *subService) isMeter() bool { return s.Data != nil && s.Data.IsMeter != nil && *s.Data.IsMeter }
