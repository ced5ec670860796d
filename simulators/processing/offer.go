package processing

import (
	"encoding/json"
	"fmt"
	"strings"
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

// rate of the international service in 10^-10 of a dollar per tenge: the
// document's 0.0020833333, which makes 1.75 USD of 840.00 tenge.
const rate = 20_833_333

// offered returns what the centre shows for a request that it has no objection to.
func offered(s *service, account, date string, to Tiyn) offer {
	switch {
	case s.international:
		return converted(to)
	case s.Type == schemeChoice:
		return offer{Contracts: contractsOf(s, account)}
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

// contractsOf are the document's contracts or, for P0007, two orders whose ids
// are such that an agent must not put them into an address or a file name.
func contractsOf(s *service, account string) []contract {
	if s.orders {
		return []contract{
			{"Заказ от 15.02.2020", "1/00-Ф", "1/00-Ф", "1500.00", "20200215000000"},
			{"Заказ от 16.02.2020", "2/00-Ф", "2/00-Ф", "2500.50", "20200216000000"},
		}
	}
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
