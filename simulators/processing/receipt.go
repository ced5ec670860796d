package processing

import (
	"encoding/json"
	"slices"
	"time"
)

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

	overdue bool // expireDate is past, by the date of the request
}

type subService struct {
	SubServiceID   string   `json:"subServiceId"`
	SubServiceName string   `json:"subServiceName"`
	Data           *subData `json:"data,omitempty"`

	min, max Tiyn // 0 = no limit
	overdue  bool // its receipt is
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

// receiptsOf dates a receipt by the month of the request, so that a repeated
// request gets the same one. It is due by the end of the following month; one of
// two months ago has expired. The account's last digit says which receipt it is
// (package comment).
func receiptsOf(account, date string) []invoice {
	const compact = "20060102150405"
	day, err := time.Parse(dateLayout, date)
	if err != nil {
		panic("receipt for an unexamined date") // parseOrder refuses such a date
	}
	formed := time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	ending := account[len(account)-1:] // the account matched ten digits
	if ending == "3" {
		formed = formed.AddDate(0, -2, 0)
	}
	due := formed.AddDate(0, 2, -1) // and the whole of that day
	first := invoice{
		InvoiceID: "2020020003535444", FormedDate: formed.Format(compact), ExpireDate: due.Format(compact),
		ClientName: "Иванов Иван Иванович", ClientAddress: "микрорайон 2, дом 42, кв.4",
		Services: []subService{
			item("36", "Электроэнергия", true, subData{PaySum: "359.8", Tariff: "0.0", SI: "тг/м2"}),
			item("13", "ТО газа ", false, subData{PaySum: "80.0", Tariff: "0.0", SI: "тг/плита"}),
			item("2", "Отопление", false, subData{PaySum: "925.2", Tariff: "500.0", SI: "тг/м2"}),
		},
		overdue: !day.Before(due.AddDate(0, 0, 1)),
	}
	receipts := []invoice{first}
	switch ending {
	case "2":
		first.Services[0].limit(100_00, 5_000_00)
		receipts = append(receipts, invoice{InvoiceID: "2020020003535445", Services: []subService{
			{SubServiceID: "114", SubServiceName: "Домофон"},
			{SubServiceID: "37", SubServiceName: "Вывоз мусора", Data: &subData{PaySum: "150.0"}},
		}})
	case "4":
		first.Services[0].limit(100_00, 1_000_00)
		garage := item("36", "Электроэнергия", true, subData{PaySum: "2150.0", Tariff: "0.0", SI: "тг/м2"})
		garage.limit(2_000_00, 5_000_00)
		second := first
		second.InvoiceID, second.ClientAddress, second.Services = "2020020003535446", "микрорайон 2, гараж 7", []subService{garage}
		receipts = append(receipts, second)
	case "5":
		first.Services[2].limit(0, 500_00)
	}
	return receipts
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

// admits reports whether an amount may be paid for the line.
func (s *subService) admits(amount Tiyn) bool {
	return amount > 0 && amount >= s.min && (s.max == 0 || amount <= s.max)
}

// payable is what may be paid of the receipts, by subServiceId. A pay names no
// receipt, so lines of the same id stand in the order of the receipts.
func payable(receipts []invoice) map[string][]subService {
	lines := map[string][]subService{}
	for _, r := range receipts {
		for _, s := range r.Services {
			s.overdue = r.overdue
			lines[s.SubServiceID] = append(lines[s.SubServiceID], s)
		}
	}
	return lines
}

// take removes from the lines the first one of an id that admits the amount. Of
// two lines with one id, the limits say which was meant.
func take(lines map[string][]subService, id string, amount Tiyn) (subService, *refusal) {
	same := lines[id]
	if len(same) == 0 {
		return subService{}, bad("extraServices: услуги нет в квитанции или она повторяется")
	}
	i := slices.IndexFunc(same, func(s subService) bool { return s.admits(amount) })
	if i < 0 {
		return subService{}, bad("extraServices: amount вне minSum и maxSum")
	}
	line := same[i]
	lines[id] = slices.Delete(same, i, i+1)
	return line, nil
}
