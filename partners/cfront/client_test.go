package cfront

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tolem/domain"
	"tolem/partners/call"
)

const secret = "shared-secret"

// desk is a bank that answers every call alike and counts.
type desk struct {
	status int
	body   string
	header map[string]string
	abort  bool
	asked  atomic.Int32
	method string
	path   string
	sent   []byte
	got    http.Header
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.asked.Add(1)
	d.method, d.path, d.got = r.Method, r.URL.Path, r.Header
	d.sent, _ = io.ReadAll(r.Body)
	if d.abort {
		panic(http.ErrAbortHandler)
	}
	for name, value := range d.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(d.status)
	_, _ = io.WriteString(w, d.body)
}

func (d *desk) client(t *testing.T, dialect Dialect) *Client {
	t.Helper()
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	c, err := New(Options{URL: server.URL, StoreID: "store-1", Secret: secret, Dialect: dialect})
	require.NoError(t, err)
	return c
}

// "base64 of HMAC-SHA256 over the exact bytes" (cfront.md 2), computed here once more.
func signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func application() CreateRequest {
	return CreateRequest{
		StoreOrderID: "17", ClientPhone: "+77010000011", TotalSum: 50000,
		InvoiceNumber: "5", InvoiceDate: "2026-02-17", InvoiceSource: "STORE", Programs: []Program{{Type: "Рассрочка 3", PartsCounts: []int{3}}},
		Products: []Product{{Name: `Чайник <1> & "крышка"`, Count: 1, Sum: 50000}},
	}
}

// Exactly the bytes that are signed are sent, once.
func TestBytesAndSignature(t *testing.T) {
	d := &desk{status: http.StatusCreated, body: `{"order_id":"9f0c"}`, header: map[string]string{"Trace-Id": "t-1"}}
	c := d.client(t, Dialect{})
	body, err := application().Body(Dialect{})
	require.NoError(t, err)
	created, err := c.Create(t.Context(), body)
	require.NoError(t, err)
	require.Equal(t, Created{OrderID: "9f0c", Meta: Meta{HTTPStatus: 201, TraceID: "t-1"}}, created)
	require.Equal(t, string(body), string(d.sent))
	require.Contains(t, string(body), `"total_sum":500.00`)
	require.Equal(t, signature(body), d.got.Get("signature"))
	require.Equal(t, "store-1", d.got.Get("store-id"))
	require.Equal(t, "/api/order/create", d.path)
	require.EqualValues(t, 1, d.asked.Load())

	require.True(t, c.VerifySignature(body, signature(body)))
	for _, forged := range []string{"", "x", strings.ToLower(signature(body)), signature(append(body, ' '))} {
		require.False(t, c.VerifySignature(body, forged), forged)
	}
	text, err := application().Body(Dialect{MoneyAsText: true})
	require.NoError(t, err)
	require.Contains(t, string(text), `"total_sum":"500.00"`)
}

// What create's answers mean, of both generations.
func TestCreateAnswers(t *testing.T) {
	byStatus := Dialect{CreatedStatus: []int{201}, DuplicateStatus: []int{200}}
	for name, c := range map[string]struct {
		desk    *desk
		dialect Dialect
		want    Created
		refused bool   // a Rejection
		reason  string // of a Failure
	}{
		"new":                   {desk: &desk{status: 201, body: `{"order_id":"9f0c"}`}, want: Created{OrderID: "9f0c", Meta: Meta{HTTPStatus: 201}}},
		"new, 200":              {desk: &desk{status: 200, body: `{"order_id":9}`}, want: Created{OrderID: "9", Meta: Meta{HTTPStatus: 200}}},
		"duplicate":             {desk: &desk{status: 409, body: `{"order_id":"9f0c"}`}, want: Created{OrderID: "9f0c", Duplicate: true, Meta: Meta{HTTPStatus: 409}}},
		"409 without a number":  {desk: &desk{status: 409, body: `{"message":"busy"}`}, refused: true},
		"duplicate by 200":      {desk: &desk{status: 200, body: `{"order_id":"9f0c"}`}, dialect: byStatus, want: Created{OrderID: "9f0c", Duplicate: true, Meta: Meta{HTTPStatus: 200}}},
		"new beside that":       {desk: &desk{status: 201, body: `{"order_id":"9f0c"}`}, dialect: byStatus, want: Created{OrderID: "9f0c", Meta: Meta{HTTPStatus: 201}}},
		"200 without a number":  {desk: &desk{status: 200, body: `{"message":"done"}`}, dialect: byStatus, reason: ReasonBadAnswer}, // no refusal: an order may be there
		"409 is no duplicate":   {desk: &desk{status: 409, body: `{"order_id":"9f0c"}`}, dialect: byStatus, refused: true},
		"two numbers":           {desk: &desk{status: 201, body: `{"order_id":"9f0c","order_id":"7a"}`}, reason: ReasonBadAnswer},
		"400":                   {desk: &desk{status: 400, body: `{"message":"total_sum"}`}, refused: true},
		"404 with HTML":         {desk: &desk{status: 404, body: `<html>total_sum`}, refused: true},
		"408":                   {desk: &desk{status: 408, body: `{"message":"total_sum"}`}, reason: call.ReasonStatus},
		"429":                   {desk: &desk{status: 429, body: `{"message":"total_sum"}`}, reason: call.ReasonStatus},
		"401":                   {desk: &desk{status: 401}, refused: true},
		"500":                   {desk: &desk{status: 500, body: `{"order_id":"9f0c"}`}, reason: call.ReasonStatus},
		"201 without a number":  {desk: &desk{status: 201, body: `{}`}, reason: ReasonBadAnswer},
		"201 with HTML":         {desk: &desk{status: 201, body: `<html>`}, reason: ReasonBadAnswer},
		"202 is not documented": {desk: &desk{status: 202, body: `{"order_id":"9f0c"}`}, reason: ReasonBadAnswer},
		"more than a MiB":       {desk: &desk{status: 201, body: `{"order_id":"9f0c","x":"` + strings.Repeat("x", maxAnswer) + `"}`}, reason: call.ReasonTooLarge},
		"cut off":               {desk: &desk{abort: true}, reason: "*"},
	} {
		t.Run(name, func(t *testing.T) {
			d := c.desk
			got, err := d.client(t, c.dialect).Create(t.Context(), []byte(`{"store_order_id":"17"}`))
			require.Equal(t, c.want, got)
			require.EqualValues(t, 1, d.asked.Load(), "nothing is sent twice")
			var rejection *Rejection
			var failure *call.Failure
			require.Equal(t, c.refused, errors.As(err, &rejection), "%v", err)
			require.Equal(t, c.reason != "", errors.As(err, &failure), "%v", err)
			if c.reason != "" && c.reason != "*" {
				require.Equal(t, c.reason, failure.Reason)
			}
			if rejection != nil {
				require.Equal(t, d.status == 401, rejection.Unauthorized)
				require.NotContains(t, rejection.Error(), "total_sum", "the bank's text stays out of errors")
			}
		})
	}
}

func TestStateAnswers(t *testing.T) {
	d := &desk{status: 200, body: `{"order_id":"9f0c","state":"NEW_WORD","order_sub_state":"OTHER_WORD","message":null}`}
	c := d.client(t, Dialect{})
	got, err := c.State(t.Context(), "9f0c")
	require.NoError(t, err)
	require.Equal(t, []string{"NEW_WORD", "OTHER_WORD"}, []string{got.State, got.SubState}, "words stay as they are")
	require.JSONEq(t, `{"order_id":"9f0c"}`, string(d.sent))

	_, err = c.State(t.Context(), "another")
	var failure *call.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, ReasonStrangeEcho, failure.Reason)

	for _, body := range []string{
		`{"state":"SUCCESS","order_sub_state":"ACTIVE"}`, `{"order_id":null,"state":"SUCCESS"}`, `{"order_id":{},"state":"SUCCESS"}`, `{"order_id":"9f0c"}`,
		`{"order_id":"9f0c","state":""}`, `{"order_id":"9f0c","state":"SUCCESS","order_sub_state":{}}`, `{"order_id":"9f0c","state":"FAIL","state":"SUCCESS"}`,
		`{"order_id":"other","order_id":"9f0c","state":"SUCCESS"}`, `{"order_id":"9f0c","State":"SUCCESS"}`, `[{"order_id":"9f0c","state":"SUCCESS"}]`,
	} {
		d.body = body
		for name, ask := range map[string]func() (Standing, error){
			"state":   func() (Standing, error) { return c.State(t.Context(), "9f0c") },
			"confirm": func() (Standing, error) { return c.Confirm(t.Context(), []byte(`{"order_id":"9f0c"}`)) },
			"reject":  func() (Standing, error) { return c.Reject(t.Context(), []byte(`{"order_id":"9f0c"}`)) },
		} {
			got, err := ask()
			require.ErrorAs(t, err, &failure, "%s %s", name, body)
			require.Equal(t, ReasonBadAnswer, failure.Reason, "%s %s", name, body)
			require.Zero(t, got)
		}
	}

	d.status, d.body, d.header = 404, `{"message":"order not found"}`, map[string]string{"Trace-Id": "t-2"}
	_, err = c.State(t.Context(), "9f0c")
	var rejection *Rejection
	require.ErrorAs(t, err, &rejection)
	require.True(t, rejection.NotFound)
	require.Equal(t, "t-2", rejection.TraceID)

	signed := d.client(t, Dialect{CheckResponseSignature: true})
	d.status, d.body, d.header = 200, `{"order_id":"9f0c","state":"SUCCESS"}`, nil
	_, err = signed.State(t.Context(), "9f0c")
	require.ErrorAs(t, err, &failure)
	require.Equal(t, ReasonBadSignature, failure.Reason)
	d.header = map[string]string{"signature": signature([]byte(d.body))}
	_, err = signed.State(t.Context(), "9f0c")
	require.NoError(t, err)
}

// The bank says in two ways that it does not know a client; both are no error.
func TestClientNotFound(t *testing.T) {
	for _, d := range []*desk{{status: 404, body: `{"message":"client not found"}`}, {status: 200, body: `{"found":false}`}} {
		found, err := d.client(t, Dialect{}).Validate(t.Context(), "+77010000010")
		require.NoError(t, err)
		require.False(t, found.Found)
	}
	d := &desk{status: 200, body: `{"found":true}`}
	found, err := d.client(t, Dialect{ValidateV2: true}).Validate(t.Context(), "+77010000011")
	require.NoError(t, err)
	require.True(t, found.Found)
	require.Equal(t, "/api/v2/client/validate", d.path)
}

// Money comes as number and as text; what is neither is not guessed.
func TestReversedMoney(t *testing.T) {
	for body, want := range map[string]domain.Money{
		`{"total_sum":500,"reverse_list":[{"sum":100.5},{"sum":"0.50"}]}`:                               10100,
		`{"total_sum":"500.0","reverse_list":[{"sum":500.00,"timestamp":null}]}`:                        50000,
		`{"total_sum":500.00,"reverse_list":[]}`:                                                        0,
		`{"total_sum":500,"reverse_list":null,"point_id":null,"create_timestamp":null}`:                 0,
		`{"total_sum":500,"reverse_list":[{"sum":100.005}]}`:                                            -1,
		`{"total_sum":500,"reverse_list":[{"sum":"many"}]}`:                                             -1,
		`{"total_sum":500,"reverse_list":[{"sum":null}]}`:                                               -1,
		`{"total_sum":500,"reverse_list":[{"sum":-1}]}`:                                                 -1,
		`{"total_sum":500,"reverse_list":[{"sum":1,"sum":2}]}`:                                          -1,
		`{"total_sum":500,"reverse_list":[{"sum":92233720368547758.07}]}`:                               -1,
		`{"total_sum":500,"reverse_list":[` + strings.Repeat(`{"sum":1},`, maxReverses) + `{"sum":1}]}`: -1,
		`{"total_sum":500,"reverse_list":[1]}`:                                                          -1,
		`{"total_sum":500,"reverse_list":{}}`:                                                           -1,
		`{"total_sum":null,"reverse_list":[]}`:                                                          -1, // no order's card, and so no word about returns
		`{"reverse_list":[]}`:                                                                           -1,
		`{}`:                                                                                            -1,
	} {
		data, err := (&desk{status: 200, body: body}).client(t, Dialect{}).OrderData(t.Context(), "9f0c", "17")
		require.Equal(t, want == -1, err != nil, "%.90s: %v", body, err)
		if err == nil {
			require.Equal(t, want, data.Reversed(), body)
		}
	}
}

// A card of another order is no answer.
func TestOrderDataOfAnother(t *testing.T) {
	for name, good := range map[string]bool{`"17"`: true, `17`: true, `null`: true, `"18"`: false, `17.0`: false} {
		_, err := (&desk{status: 200, body: `{"total_sum":500,"store_order_id":` + name + `}`}).client(t, Dialect{}).OrderData(t.Context(), "9f0c", "17")
		require.Equal(t, good, err == nil, "%s: %v", name, err)
	}
}

// A report tells every sum, and none below zero.
func TestReportSums(t *testing.T) {
	for _, field := range []string{"total_sum", "transferred_sum", "commission"} {
		for value, good := range map[string]bool{`0`: true, `1.00`: true, `null`: false, `-0.01`: false} {
			line := strings.Replace(`{"order_id":"9f0c","total_sum":1,"transferred_sum":1,"commission":1}`, `"`+field+`":1`, `"`+field+`":`+value, 1)
			_, err := (&desk{status: 200, body: `{"orders":[` + line + `]}`}).client(t, Dialect{}).StoreReport(t.Context(), "2026-02-17")
			require.Equal(t, good, err == nil, "%s: %v", line, err)
		}
	}
}

// Only the bank's own words say that it does not know a client; a wrong address says nothing.
func TestUnknownClientOrWrongAddress(t *testing.T) {
	for body, told := range map[string]bool{`{"message":"клієнта не знайдено"}`: true, `{}`: true, "": false, "404 page not found": false, "<html>": false} {
		found, err := (&desk{status: 404, body: body}).client(t, Dialect{}).Validate(t.Context(), "+77010000011")
		require.Equal(t, told, err == nil, "%q: %v", body, err)
		require.False(t, found.Found)
	}
}

// A return is taken only when the bank says OK.
func TestReturnAnswers(t *testing.T) {
	for body, taken := range map[string]bool{`{"status":"OK"}`: true, `{"status":"FAIL"}`: false, `{}`: false, ``: false} {
		_, err := (&desk{status: 200, body: body}).client(t, Dialect{}).Return(t.Context(), []byte(`{"order_id":"9f0c"}`))
		require.Equal(t, taken, err == nil, "%s: %v", body, err)
	}
}

func TestAgreement(t *testing.T) {
	const products = `"credit_products":[{"name":"Рассрочка 3","parts":3}]`
	for text, field := range map[string]string{
		`{` + products + `}`: "",
		`{` + products + `,"dialect":{"path_prefix":"/pay/api"}}`: "",
		`{}`:                                "credit_products",
		`{"credit_products":[{"parts":3}]}`: "credit_products[0]",
		`{"credit_products":[{"name":"a","parts":0}]}`:                        "credit_products[0]",
		`{"credit_products":[{"name":"a","parts":1},{"name":"a","parts":1}]}`: "credit_products[1]",
		`{` + products + `,"points_of_sale":["1","1"]}`:                       "points_of_sale[1]",
		`{` + products + `,"check_paid":"never"}`:                             "check_paid",
		`{` + products + `,"sub_states":{"X":"soon"}}`:                        "sub_states.X",
		`{` + products + `,"min_total":2.00,"max_total":1.00}`:                "min_total",
		`{` + products + `,"min_total":-1.00}`:                                "min_total",
		`{` + products + `,"max_total":0.99}`:                                 "max_total",
		`{` + products + strings.Repeat(" ", maxAgreement) + `}`:              "1 MiB",
		`{` + products + `,"dialect":{"paths":{"order/forget":"/x"}}}`:        "paths",
		`{` + products + `,"dialect":{"paths":{"order/state":"x"}}}`:          "paths.order/state",
		`{` + products + `,"dialect":{"created_status":[500]}}`:               "created_status",
		`{` + products + `,"colour":1}`:                                       "colour",
		`{` + products + `} {}`:                                               "after the object",
	} {
		read, err := ReadAgreement(strings.NewReader(text))
		if field == "" {
			require.NoError(t, err, text)
			continue
		}
		require.Zero(t, read, text)
		require.ErrorIs(t, err, ErrAgreement, text)
		require.ErrorContains(t, err, field, text)
	}
}
