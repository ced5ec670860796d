package cfront

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// A dialect is checked before anybody is called: what no bank can mean is named.
func TestDialectCheck(t *testing.T) {
	for text, field := range map[string]string{
		`{}`: "",
		`{"path_prefix":"/pay/api","paths":{"order/state":"/status"},"store_id_header":"X-Store","signature_header":"X-Sign"}`:   "",
		`{"unsigned":true,"money_as_text":true,"validate_v2":true,"letter_v2":true,"check_response_signature":true}`:             "",
		`{"created_status":[200],"duplicate_status":[201,409],"not_found_status":[400,404],"client_not_found_status":[400,422]}`: "",
		`{"created_status":[409]}`:                       "created_status has 409",
		`{"created_status":[201,302]}`:                   "created_status has 302",
		`{"duplicate_status":[500]}`:                     "duplicate_status has 500",
		`{"duplicate_status":[429]}`:                     "duplicate_status has 429", // asks for patience, tells of no order
		`{"not_found_status":[200]}`:                     "not_found_status has 200",
		`{"client_not_found_status":[200]}`:              "client_not_found_status has 200", // found:false is understood always
		`{"client_not_found_status":[408]}`:              "client_not_found_status has 408",
		`{"store_id_header":"store id"}`:                 "store_id_header",
		`{"signature_header":"a:b"}`:                     "signature_header",
		`{"store_id_header":"X","signature_header":"x"}`: "are the same",
		`{"store_id_header":"Signature"}`:                "are the same",
		`{"signature_header":"Idempotency-Key"}`:         "must not be Idempotency-Key",
		`{"store_id_header":"content-type"}`:             "must not be content-type",
		`{"path_prefix":"api"}`:                          "path_prefix",
		`{"path_prefix":"/api?x=1"}`:                     "path_prefix",
		`{"paths":{"order/state":"/a b"}}`:               "paths.order/state",
		`{"paths":{"order/forget":"/x"}}`:                "order/forget",
	} {
		var d Dialect
		require.NoError(t, json.Unmarshal([]byte(text), &d), text)
		err := d.Check()
		if field == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, field, text)
		_, err = New(Options{URL: "http://bank", StoreID: "1", Secret: secret, Dialect: d})
		require.ErrorContains(t, err, "cfront: Dialect: ", text)
	}
}

// Options are checked without calling anybody; no error shows a value.
func TestNew(t *testing.T) {
	good := Options{URL: "http://bank.example", StoreID: "store-1", Secret: secret}
	for field, set := range map[string]func(*Options){
		"":        func(*Options) {},
		" ":       func(o *Options) { o.Secret, o.Dialect.Unsigned = "", true },
		"URL":     func(o *Options) { o.URL = "bank.example/?password=odd" },
		"StoreID": func(o *Options) { o.StoreID = "odd\n" },
		"Secret":  func(o *Options) { o.Secret = "" },
		"Timeout": func(o *Options) { o.Timeout = -1 },
	} {
		o := good
		set(&o)
		_, err := New(o)
		if field == "" || field == " " {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "cfront: "+field)
		require.NotContains(t, err.Error(), "odd")
	}
	_, err := New(Options{URL: good.URL, Secret: secret})
	require.ErrorContains(t, err, "StoreID")
}
