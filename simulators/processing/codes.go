package processing

// Codes of «Таблица 1 "Список кодов ответа на запросы"» that the centre gives
// by itself; a script may answer any other.
const (
	codeOK             = 0
	codeBadAccount     = 4
	codeUnknownAccount = 5
	codeForbidden      = 7
	codeServiceClosed  = 155
	codeBadRequest     = 202
	codeDuplicate      = 215
	codeNoFunds        = 220
	codeTooSmall       = 241
	codeTooLarge       = 242
)

// NoCode stands in Request.Code when the request was not processed.
const NoCode = -1

type meaning struct {
	text  string
	final bool
}

// table is «Таблица 1», in its words.
var table = map[int]meaning{
	0:   {"успех", true},
	1:   {"запрос в обработке, повторите запрос позже", false},
	4:   {"неверный формат идентификатора абонента", true},
	5:   {"идентификатор абонента не найден (ошиблись номером)", true},
	7:   {"прием платежа запрещен провайдером", true},
	8:   {"прием платежа запрещен по техническим причинам", true},
	130: {"работа с данному сервису не реализована", true},
	153: {"платеж на проверке в сб", false},
	155: {"прием платежа по данному сервису запрещен", true},
	202: {"ошибка данных запроса", true},
	215: {"транзакция с таким номером уже есть в базе", true},
	220: {"недостаток средств у агента", false},
	250: {"не был пополнен баланс агента", true},
	241: {"сумма слишком мала", true},
	242: {"сумма слишком велика", true},
	255: {"недопустимая дополнительная комиссия", false},
	300: {"другая ошибка", true},
}

// refuses reports whether the code ends a payment without moving money. Codes
// outside the table do not.
func refuses(code int) bool { return code != codeOK && table[code].final }

// refusal is an objection to a request; a nil one is consent.
type refusal struct {
	code   int
	detail string // what exactly, for the reader of resultMessage; no personal data
}

func bad(detail string) *refusal { return &refusal{codeBadRequest, detail} }

// message is the resultMessage of a code other than 0.
func message(code int, detail string) string {
	text := table[code].text
	if text == "" {
		text = "код вне таблицы 1"
	}
	if detail != "" {
		text += ": " + detail
	}
	return text
}
