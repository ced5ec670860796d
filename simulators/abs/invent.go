package abs

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"tolem/simulators/parts"
)

// Tiyn is money, in JSON a number of tenge in shortest form.
type Tiyn int64

// MarshalJSON writes 900000 or 900000.50.
func (t Tiyn) MarshalJSON() ([]byte, error) {
	if t%100 == 0 {
		return fmt.Appendf(nil, "%d", t/100), nil
	}
	return fmt.Appendf(nil, "%d.%02d", t/100, t%100), nil
}

// Client is "информация по клиенту".
type Client struct {
	IINBIN    string `json:"iinbin"`
	FullName  string `json:"fullname"`
	SectEcon  int    `json:"sectecon"` // 9 households, 7 companies
	Residency int    `json:"residfl"`  // 1 resident
}

// Account is one account of a client.
type Account struct {
	IBAN     string `json:"iban"`
	Name     string `json:"accountName"`
	Plan     string `json:"ps"`
	System   string `json:"system"`
	Currency string `json:"cur"`
}

// Line is one line of a statement.
type Line struct {
	Purpose    string `json:"purpose"`
	Amount     Tiyn   `json:"amount"`
	Currency   string `json:"cur"`
	DC         string `json:"DC"`
	OutBalance Tiyn   `json:"out_bal"`
}

// chance draws from what a number is about, so that it always draws the same.
func chance(about string) *rand.Rand {
	return rand.New(rand.NewPCG(1, uint64(parts.Draw(1, about)*(1<<53))))
}

func one[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

var (
	families = []string{"Примеров", "Образцов", "Условнов", "Тестаев", "Макетов", "Пробаев", "Учебаев", "Вымыслов"}
	men      = [][2]string{{"Арман", "Арманович"}, {"Данияр", "Даниярович"}, {"Нурлан", "Нурланович"}, {"Сергей", "Сергеевич"}, {"Тимур", "Тимурович"}}
	women    = []string{"Айгуль", "Динара", "Жанна", "Ольга", "Сауле"}
	trades   = []string{"Образец", "Пример", "Проба", "Вымысел", "Макет"}
)

// company says whether a number is a BIN: its fifth digit, 4 to 6, stands where an IIN has a
// day's first.
func company(iinbin string) bool { return iinbin[4] >= '4' && iinbin[4] <= '6' }

// InventClient is the client of an IIN or BIN of twelve digits.
func InventClient(iinbin string) Client {
	r := chance("client " + iinbin)
	if company(iinbin) {
		return Client{iinbin, fmt.Sprintf("ТОО \"%s-%d\"", one(r, trades), r.IntN(1000)), 7, 1}
	}
	family, father := one(r, families), one(r, men)[1]
	if iinbin[6]%2 == 1 { // the seventh digit of an IIN is odd for a man
		return Client{iinbin, family + " " + one(r, men)[0] + " " + father, 9, 1}
	}
	return Client{iinbin, family + "а " + one(r, women) + " " + strings.TrimSuffix(father, "ич") + "на", 9, 1}
}

// InventAccounts are the accounts of a client, one to three.
func InventAccounts(iinbin string) []Account {
	r := chance("accounts " + iinbin)
	plan := "2204191"
	if company(iinbin) {
		plan = "2203171"
	}
	accounts := make([]Account, 1+r.IntN(3))
	for i := range accounts {
		accounts[i] = Account{
			IBAN: iban(fmt.Sprintf("999%c%012d", 'A'+rune(r.IntN(26)), r.Int64N(1_000_000_000_000))),
			Name: InventClient(iinbin).FullName, Plan: plan, System: one(r, []string{"way4", "colvir"}), Currency: "KZT",
		}
	}
	return accounts
}

// iban puts country and check digits before a bank's code and an account (ISO 13616).
func iban(account string) string {
	return fmt.Sprintf("KZ%02d%s", 98-mod97(account+"KZ00"), account)
}

// mod97 reads letters as 10 to 35.
func mod97(text string) (rest int) {
	for _, c := range text {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest
}

// InventLine is the line of a loan's disbursement to an account on a day. It does not
// depend on the day but by its purpose.
func InventLine(iban string, day time.Time) Line {
	r := chance("line " + iban)
	amount := Tiyn(50_000+r.Int64N(3_000_000)) * 100
	if r.IntN(4) == 0 {
		amount += 50
	}
	return Line{"Предоставление кредита по договору от " + day.Format("02.01.2006"), amount, "KZT", "D", amount}
}

// The error codes. The document gives 0 alone a meaning.
const (
	CodeUnknown   = 1
	CodeMalformed = 2
)

// said begins every JSON answer.
type said struct {
	ErrorText string `json:"error_text"`
	ErrorCode int    `json:"error_code"`
}

// says is an answer in JSON.
func says(value any) reply {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err) // a bug of the simulator
	}
	return reply{status: http.StatusOK, kind: jsonType, body: body}
}

// refuses is an answer with an error_code.
func refuses(code int, text string) reply {
	r := says(said{text, code})
	r.code = code
	return r
}
