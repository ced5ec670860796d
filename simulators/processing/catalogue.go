package processing

import (
	"regexp"
	"strings"
)

// Schemes. The document's «Таблица 2» is missing; the numbers are those of its
// example of services.
const (
	schemeSimple  = 0 // «простая»
	schemeReceipt = 1 // «комплексная»
	schemeChoice  = 2 // «с выбором»
)

// field is one of a service's inputs or displays.
type field struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Title    string `json:"title"`
	Regexp   string `json:"regexp"`

	match func(string) bool
}

// service is one entry of the catalogue as services and service send it; the
// unexported part is the centre's own knowledge.
type service struct {
	ServiceID    string  `json:"serviceId"`
	Type         int     `json:"type"`
	Name         string  `json:"name"`
	Group        string  `json:"group,omitempty"`
	FixedPayment bool    `json:"fixedPayment"`
	Country      string  `json:"country,omitempty"`
	Inputs       []field `json:"inputs,omitempty"`
	Displays     []field `json:"displays,omitempty"`

	min, max      Tiyn
	fixed         Tiyn // the fixedAmount display; 0 = the service has none
	international bool
	identity      bool // identityCard and fullName are required
	orders        bool // the choice is among orders
}

// input makes a field that the payer fills in; the pattern is RE2.
func input(name, title, pattern string) field {
	return field{Name: name, Required: true, Title: title, Regexp: pattern, match: regexp.MustCompile(pattern).MatchString}
}

func display(name, title, pattern string) field {
	return field{Name: name, Required: true, Title: title, Regexp: pattern}
}

// login is an input whose pattern RE2 cannot express: partners' patterns are
// .NET's, and a client has to cope with a look-ahead.
func login() field {
	plain := regexp.MustCompile(`^[A-Za-z0-9._@-]{3,200}$`)
	return field{
		Name: "account", Required: true, Title: "Логин (без двух точек подряд)", Regexp: `^(?!.*\.\.)[A-Za-z0-9._@-]{3,200}$`,
		match: func(s string) bool { return plain.MatchString(s) && !strings.Contains(s, "..") },
	}
}

// catalogue holds the four services of the document's example of services, in
// its shape (P1011 is fixedPayment without a fixedAmount display), and one each
// of what only its examples of answers show: displays without a fixed amount
// (P1040), an international service (P1030), and a service without fixed
// payment (P1050). Of what only its text speaks of there is one each, too: payers
// who must identify themselves (P1060), extras that the agent fills in (P1070),
// and the choice of an order (P0007). Limits are invented, as is who must be
// identified: nothing on the wire tells them.
var catalogue = []*service{
	{
		ServiceID: "P1011", Type: schemeSimple, Name: "Билайн Казахстан", Group: "Сотовая связь", FixedPayment: true, Country: "КАЗАХСТАН",
		Inputs: []field{input("account", "Номер телефона", `^\d{10}$`)},
		min:    100, max: 300_000_00,
	}, {
		ServiceID: "P1012", Type: schemeSimple, Name: "Herbalife", Group: "Товары по каталогам", FixedPayment: true, Country: "КАЗАХСТАН",
		Inputs: []field{
			input("account", "Номер независимого партнера", `^\d{10}$`),
			input("ev_account1", "Номер заказа", `^\d{10}$`),
		},
		Displays: []field{
			display("fio", "ФИО", `^.+$`),
			display("info", "Сумма к оплате", `^.+$`),
			display("fixedAmount", "", `^\d{1,9}\.\d{2}$`),
		},
		min: 100, max: 5_000_000_00, fixed: 20_000_00,
	}, {
		ServiceID: "P0005", Type: schemeReceipt, Name: "Алсеко", Group: "ЖКХ", Country: "КАЗАХСТАН",
		Inputs: []field{input("account", "Номер лицевого счета", `^\d{10}$`)},
		min:    100, max: 5_000_000_00,
	}, {
		ServiceID: "P0006", Type: schemeChoice, Name: "XXX банк", Group: "Другие услуги", Country: "КАЗАХСТАН",
		Inputs: []field{input("account", "Введите ИИН", `^\d{12}$`)},
		min:    100, max: 5_000_000_00,
	}, {
		ServiceID: "P1030", Type: schemeSimple, Name: "Мобильная связь (международная)", Group: "Сотовая связь", Country: "УЗБЕКИСТАН",
		Inputs: []field{input("account", "Номер телефона", `^\d{9,12}$`)},
		min:    100_00, max: 1_000_000_00, international: true,
	}, {
		ServiceID: "P1040", Type: schemeSimple, Name: "Домофон", Group: "ЖКХ", Country: "КАЗАХСТАН",
		Inputs: []field{input("account", "Номер лицевого счета", `^\d{6,10}$`)},
		Displays: []field{
			display("fio", "ФИО", `^.+$`),
			display("address", "Адрес", `^.+$`),
			display("info", "Сумма к оплате", `^.+$`),
		},
		min: 100, max: 5_000_000_00,
	}, {
		ServiceID: "P1050", Type: schemeSimple, Name: "Игровая валюта",
		Inputs: []field{
			login(),
			{Name: "ev_email", Title: "Электронная почта", Regexp: `^.+@.+$`, match: regexp.MustCompile(`^.+@.+$`).MatchString},
		},
		min: 100, max: 5_000_000_00,
	}, {
		ServiceID: "P1060", Type: schemeSimple, Name: "Денежные переводы", Group: "Переводы", Country: "КЫРГЫЗСТАН",
		Inputs: []field{input("account", "Номер кошелька", `^\d{10}$`)},
		min:    100, max: 1_000_000_00, identity: true,
	}, {
		ServiceID: "P1070", Type: schemeSimple, Name: "Интернет-провайдер", Group: "Интернет", Country: "КАЗАХСТАН",
		Inputs: []field{
			input("account", "Номер договора", `^\d{10}$`),
			input("ev_terminal", "Номер терминала", `^\d{1,8}$`),
			input("ev_paymentType", "Тип платежа (1 - наличные, 2 - карта)", `^[12]$`),
			{Name: "ev_order", Title: "Номер заказа", Regexp: `^[A-Z]{2}-\d{1,6}$`, match: regexp.MustCompile(`^[A-Z]{2}-\d{1,6}$`).MatchString},
		},
		min: 100, max: 5_000_000_00,
	}, {
		ServiceID: "P0007", Type: schemeChoice, Name: "Интернет-магазин", Group: "Заказы", Country: "КАЗАХСТАН",
		Inputs: []field{input("account", "Номер телефона", `^\d{10}$`)},
		min:    100, max: 5_000_000_00, orders: true,
	},
}

func findService(id string) *service {
	for _, s := range catalogue {
		if s.ServiceID == id {
			return s
		}
	}
	return nil
}

// inputAccount is the service's pattern for account; every service has one.
func (s *service) inputAccount() field { return s.Inputs[0] }

// operators are the prefixes that operatorByPhone knows.
var operators = map[string]string{"705": "P1011", "771": "P1011", "776": "P1011", "777": "P1011"}

var phoneNumber = regexp.MustCompile(`^[0-9]{10}$`)
