package abs_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tolem/simulators/abs"
)

// stand is a system behind a real server.
type stand struct {
	t *testing.T
	*abs.System
	url    string
	client *http.Client
}

func start(t *testing.T, o abs.Options) *stand {
	t.Helper()
	system, err := abs.New(o)
	require.NoError(t, err)
	server := httptest.NewServer(system.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { require.NoError(t, system.Close()) })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &stand{t, system, server.URL, client}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *stand) send(method, path, body string) (answer, error) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	a, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = a.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	return answer{a.StatusCode, a.Header, string(text)}, err
}

func (s *stand) get(path string) answer {
	s.t.Helper()
	a, err := s.send("GET", path, "")
	require.NoError(s.t, err)
	return a
}

func (a answer) field(name string) any {
	var object map[string]any
	_ = json.Unmarshal([]byte(a.body), &object) // no object: no field
	return object[name]
}

const (
	iin      = "900101300011"
	iban     = "KZ000000000000000000" // the document's own
	contract = "KD0000000001"
)

// questions are a good one of each call, and whom it is about.
var questions = map[string][2]string{
	"client":    {"/client?iinbin=" + iin, iin},
	"accounts":  {"/accounts?iinbin=" + iin, iin},
	"statement": {"/statement?iban=" + iban + "&dt=2020-01-01", iban},
	"scan":      {"/scan?dbz_num=" + contract + "&dbz_dt=2020-01-01&iinbin=" + iin, contract},
}

// Everybody is there, by a name that fits the number, with accounts that a bank could have.
func TestInvented(t *testing.T) {
	s := start(t, abs.Options{})
	cyrillic := regexp.MustCompile(`^[А-ЯЁа-яё]+ [А-ЯЁа-яё]+ [А-ЯЁа-яё]+$`)
	counts, ibans := map[int]bool{}, map[string]bool{}
	for n := range 60 {
		number := fmt.Sprintf("90010%d%d%05d", 1+n%3, 3+n%2, n)
		card := s.get("/client?iinbin=" + number)
		require.Equal(t, []any{0.0, "", number, 9.0, 1.0}, []any{card.field("error_code"), card.field("error_text"), card.field("iinbin"), card.field("sectecon"), card.field("residfl")}, card.body)
		require.Regexp(t, cyrillic, card.field("fullname"))
		require.Equal(t, n%2 == 1, strings.HasSuffix(card.field("fullname").(string), "на"), "%s %s", number, card.body)
		require.Equal(t, card, s.get("/client?iinbin="+number).same(card))
		var accounts struct {
			IBANs []abs.Account `json:"ibans"`
		}
		require.NoError(t, json.Unmarshal([]byte(s.get("/accounts?iinbin="+number).body), &accounts))
		require.Equal(t, abs.InventAccounts(number), accounts.IBANs)
		counts[len(accounts.IBANs)] = true
		for _, a := range accounts.IBANs {
			require.Regexp(t, `^KZ\d{5}[0-9A-Z]{13}$`, a.IBAN)
			require.True(t, checks(a.IBAN), a.IBAN)
			require.Equal(t, []any{card.field("fullname"), "2204191", "KZT"}, []any{a.Name, a.Plan, a.Currency})
			ibans[a.IBAN] = true
			line := s.get("/statement?dt=2026-02-18&iban=" + a.IBAN).field("stmt").([]any)
			require.Len(t, line, 1)
			require.Equal(t, []any{"D", "KZT", "Предоставление кредита по договору от 18.02.2026"}, []any{line[0].(map[string]any)["DC"], line[0].(map[string]any)["cur"], line[0].(map[string]any)["purpose"]})
			require.GreaterOrEqual(t, line[0].(map[string]any)["amount"], 50_000.0)
		}
	}
	require.Equal(t, map[int]bool{1: true, 2: true, 3: true}, counts)
	require.Greater(t, len(ibans), 60)
	company := s.get("/client?iinbin=200140000017")
	require.Regexp(t, `^ТОО "`, company.field("fullname"))
	require.Equal(t, 7.0, company.field("sectecon"))
	text, err := json.Marshal([]abs.Tiyn{90_000_000, 90_000_050, 5})
	require.NoError(t, err)
	require.Equal(t, "[900000,900000.50,0.05]", string(text))
}

// same forgets the time of day.
func (a answer) same(b answer) answer { a.header = b.header; return a }

// checks is ISO 13616, by other means than the system's.
func checks(iban string) bool {
	var digits strings.Builder
	for _, c := range iban[4:] + iban[:4] {
		fmt.Fprint(&digits, strings.Index("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", string(c)))
	}
	n, _ := new(big.Int).SetString(digits.String(), 10)
	return new(big.Int).Mod(n, big.NewInt(97)).Int64() == 1
}

// Every contract has a scan in a format and a spelling of its own, or in those of the settings.
func TestScans(t *testing.T) {
	s := start(t, abs.Options{})
	kinds, spelled := map[string]int{}, map[string]int{}
	look := func(number string) (kind, spelling string) {
		a := s.get("/scan?dbz_num=" + url.QueryEscape(number) + "&dbz_dt=2020-01-01&iinbin=" + iin)
		require.Equal(t, 200, a.status)
		d := s.Document(number)
		require.Equal(t, d.MediaType, a.header.Get("Content-Type"))
		require.Equal(t, string(d.Content), a.body)
		legible(t, a.body, number)
		header := a.header.Get("Content-Disposition")
		require.True(t, strings.HasPrefix(header, "attachment; filename"), header)
		switch {
		case strings.Contains(header, "*="):
			_, parameters, err := mime.ParseMediaType(header)
			require.NoError(t, err)
			require.Equal(t, d.FileName, parameters["filename"])
			return a.body[:2], "rfc5987"
		case header == `attachment; filename="`+d.FileName+`"`:
			return a.body[:2], "utf8"
		}
		require.Equal(t, "attachment; filename=\"\xc4\xc1\xc7 "+strings.TrimPrefix(d.FileName, "ДБЗ ")+`"`, header)
		return a.body[:2], "windows1251"
	}
	for n := range 60 {
		kind, spelling := look(fmt.Sprintf("KD/%d", n))
		kinds[kind]++
		spelled[spelling]++
	}
	require.Len(t, kinds, 3, "PDF, TIFF of either byte order")
	require.Greater(t, kinds["%P"], 30)
	require.Len(t, spelled, 3)
	for _, format := range []string{abs.FormatPDF, abs.FormatTIFF} {
		for _, spelling := range []abs.Spelling{abs.SpelledUTF8, abs.SpelledRFC5987, abs.SpelledWindows1251} {
			require.NoError(t, s.Set(abs.Settings{DateLayout: abs.LayoutOfExamples, Spelling: spelling, Format: format}))
			for n := range 5 {
				kind, spelled := look(fmt.Sprintf("KD%d", n))
				require.Equal(t, string(spelling), spelled)
				require.Equal(t, format == abs.FormatPDF, kind == "%P")
			}
		}
	}
	require.Equal(t, `ДБЗ a-b-'c'.tiff`, s.Document(`a/b\"c"`).FileName)
	require.NoError(t, s.Set(abs.DefaultSettings()))
	for n := range 20 { // Windows-1251 has no Kazakh letters
		_, spelling := look(fmt.Sprintf("Қ-%d", n))
		require.NotEqual(t, "windows1251", spelling)
	}
}

// legible asserts that a document's tables are right and that it names the contract.
func legible(t *testing.T, document, contract string) {
	t.Helper()
	if strings.HasPrefix(document, "%PDF-1.4\n") {
		require.True(t, strings.HasSuffix(document, "%%EOF\n"))
		var at int
		_, err := fmt.Sscanf(document[strings.LastIndex(document, "startxref\n"):], "startxref\n%d", &at)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(document[at:], "xref\n0 6\n"))
		require.Contains(t, document, strings.ReplaceAll(contract, "Қ", "?")+") Tj")
		return
	}
	var order binary.ByteOrder = binary.LittleEndian
	if strings.HasPrefix(document, "MM\x00*") {
		order = binary.BigEndian
	}
	file := []byte(document)
	require.EqualValues(t, 42, order.Uint16(file[2:]))
	directory := file[order.Uint32(file[4:]):]
	values, last := map[uint16]uint32{}, uint16(0)
	for i := range int(order.Uint16(directory)) {
		entry := directory[2+12*i:]
		tag := order.Uint16(entry)
		require.Greater(t, tag, last, "tags ascend")
		last = tag
		values[tag] = order.Uint32(entry[8:])
		if order.Uint16(entry[2:]) == 3 {
			values[tag] = uint32(order.Uint16(entry[8:]))
		}
	}
	require.Equal(t, []uint32{16, 16, 1, 1, 32}, []uint32{values[256], values[257], values[258], values[259], values[279]})
	require.Equal(t, bytes.Repeat([]byte{0xaa, 0x55}, 16), file[values[273]:][:32])
	require.Equal(t, []uint32{300, 1}, []uint32{order.Uint32(file[values[282]:]), order.Uint32(file[values[282]+4:])})
	text, _, ended := strings.Cut(document[values[270]:], "\x00")
	require.True(t, ended)
	require.Equal(t, "DBZ "+strings.ReplaceAll(contract, "Қ", "?"), text)
}

// What is not asked as the document asks is refused, counted, and uses no script up.
func TestMalformed(t *testing.T) {
	s := start(t, abs.Options{})
	for call := range questions {
		require.NoError(t, s.Script(abs.Script{Call: call, Answers: []abs.Answer{{Fault: abs.Status, Status: 500}}}))
	}
	good := "&iinbin=" + iin
	for path, name := range map[string]string{
		"/client": "iinbin", "/client?iinbin=": "iinbin", "/client?iinbin=12345678901": "iinbin", "/client?iinbin=1234567890123": "iinbin",
		"/client?iinbin=90010130001a": "iinbin", "/client?iinbin=" + iin + good: "iinbin", "/client?iinbin=%zz": "не читается", "/client?IINBIN=" + iin: "iinbin",
		"/accounts?iinbin=9001013000%201": "iinbin",
		"/statement?dt=2020-01-01":        "iban", "/statement?dt=2020-01-01&iban=kz000000000000000000": "iban", "/statement?dt=2020-01-01&iban=KZ00000000000000000": "iban",
		"/statement?iban=" + iban: "dt", "/statement?iban=" + iban + "&dt=2020.01.01": "dt", "/statement?iban=" + iban + "&dt=2020-02-30": "dt", "/statement?iban=" + iban + "&dt=2020-1-1": "dt",
		"/scan?dbz_dt=2020-01-01" + good: "dbz_num", "/scan?dbz_dt=2020-01-01&dbz_num=%0a" + good: "dbz_num", "/scan?dbz_dt=2020-01-01&dbz_num=%c4%c1" + good: "dbz_num",
		"/scan?dbz_dt=2020-01-01&dbz_num=" + strings.Repeat("1", 65) + good: "dbz_num", "/scan?dbz_num=KD1" + good: "dbz_dt", "/scan?dbz_num=KD1&dbz_dt=01.01.2020" + good: "dbz_dt",
		"/scan?dbz_dt=2020-01-01&dbz_num=KD1": "iinbin",
	} {
		a := s.get(path)
		require.Equal(t, map[bool]int{false: 200, true: 404}[strings.HasPrefix(path, "/scan")], a.status, path)
		require.Equal(t, float64(abs.CodeMalformed), a.field("error_code"), path)
		require.Contains(t, a.field("error_text"), name, path)
	}
	totals := s.Totals()
	require.Equal(t, abs.Counts{Asked: 8, Refused: 8, Malformed: 8}, totals.Client)
	require.Equal(t, abs.Counts{Asked: 7, Refused: 7, Malformed: 7}, totals.Statement)
	require.Equal(t, abs.Scan{Contract: "KD1", Asked: 3}, s.Scan("KD1"))
	for _, q := range questions {
		require.Equal(t, 500, s.get(q[0]).status, "the script waited")
	}
	for _, method := range []string{"POST", "HEAD"} {
		a, err := s.send(method, questions["client"][0], "")
		require.NoError(t, err)
		require.Equal(t, 405, a.status)
	}
	require.Equal(t, 404, s.get("/cards").status)

	require.NoError(t, s.Set(abs.Settings{DateLayout: abs.LayoutOfText}))
	require.Equal(t, 0.0, s.get("/statement?iban="+iban+"&dt=2020.01.01").field("error_code"))
	require.Equal(t, 2.0, s.get("/statement?iban="+iban+"&dt=2020-01-01").field("error_code"))
	require.Equal(t, 404, s.get("/scan?dbz_num=KD1&dbz_dt=2020-01-01"+good).status)
}

// The books tell who asked what, and how often a scan was read.
func TestBooks(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 2, 18, 12, 0, 0, 0, time.UTC)
	s := start(t, abs.Options{Dir: dir, Now: func() time.Time { return now }})
	for _, q := range questions {
		s.get(q[0])
	}
	require.Equal(t, abs.Scan{Contract: contract, Asked: 1, Read: 1}, s.Scan(contract))
	require.NoError(t, s.Script(abs.Script{Call: "scan", About: contract, Answers: []abs.Answer{{Fault: abs.Unknown}, {Fault: abs.LostAnswer}, {Fault: abs.Status, Status: 503, Times: 2}}}))
	s.get(questions["scan"][0])
	_, err := s.send("GET", questions["scan"][0], "")
	require.Error(t, err)
	s.get(questions["scan"][0])
	require.Equal(t, abs.Scan{Contract: contract, Asked: 4, Read: 1}, s.Scan(contract))
	require.Equal(t, abs.Totals{Client: abs.Counts{Asked: 1, Whole: 1}, Accounts: abs.Counts{Asked: 1, Whole: 1}, Statement: abs.Counts{Asked: 1, Whole: 1}, Scan: abs.Counts{Asked: 4, Whole: 1, Refused: 1}}, s.Totals())
	first := s.Requests(contract)[0]
	first.Number = 0
	require.Equal(t, abs.Request{Time: now, Call: "scan", About: contract, IINBIN: iin, Day: "2020-01-01", Processed: true, Status: 200, Whole: true}, first)
	require.Equal(t, abs.Scan{Contract: "KD2"}, s.Scan("KD2"))

	require.NoError(t, s.Close()) // a restart keeps all of it, the script's last answer too
	_, err = s.send("GET", questions["client"][0], "")
	require.Error(t, err)
	again := start(t, abs.Options{Dir: dir})
	require.Equal(t, []abs.Scan{{Contract: contract, Asked: 4, Read: 1}}, again.Scans())
	require.Equal(t, s.Totals(), again.Totals())
	require.Equal(t, 503, again.get(questions["scan"][0]).status)
	require.Equal(t, 200, again.get(questions["scan"][0]).status)
	require.Len(t, again.Requests(""), 9)
}
