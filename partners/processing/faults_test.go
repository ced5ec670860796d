package processing

import (
	"fmt"
	"net/http"
	"strings"
)

// fault is one way for an answer to bring no code.
type fault struct {
	answer   http.HandlerFunc
	reason   string
	status   int
	rejected bool
}

func faults() map[string]fault {
	oversize := `{"result":0,"resultMessage":"` + strings.Repeat("a", 16<<20) + `"}`
	list := map[string]fault{
		"reset":               {raw("", true), ReasonReset, 0, false},
		"closed without byte": {raw("", false), ReasonReset, 0, false},
		"half a header":       {raw("HTTP/1.1 200 OK\r\nContent-Type: app", false), ReasonTruncated, 0, false},
		"half a body":         {raw("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n"+success[:50], false), ReasonTruncated, 200, false},
		"reset in the body":   {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"res", false), ReasonTruncated, 200, false},
		"no HTTP":             {raw("HTTP/7770017711 "+testToken+"\r\n\r\n", false), ReasonTransport, 0, false},
		"endless header":      {raw("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("7770017711", 20000)+"\r\n\r\n", false), ReasonTransport, 0, false},
		"hangs":               {hang, ReasonTimeout, 0, false},
		"stalls in the body":  {stall, ReasonTimeout, 200, false},
		"HTML 502":            {says(502, "<html>7770017711</html>"), ReasonStatus, 502, false},
		"code with a 500":     {says(500, success), ReasonStatus, 500, false},
		"307":                 {redirect(307, "/elsewhere"), ReasonRedirect, 307, false},
		"302":                 {redirect(302, "/elsewhere"), ReasonRedirect, 302, false},
		"broken redirect":     {redirect(308, "http://%7770017711"), ReasonRedirect, 308, false},
		"304":                 {redirect(304, ""), ReasonRedirect, 304, false},
		"oversize":            {says(200, oversize), ReasonTooLarge, 200, false},
	}
	for _, status := range []int{501, 503, 504, 599, 408, 429} {
		list[fmt.Sprint("HTTP ", status)] = fault{says(status, success), ReasonStatus, status, false}
	}
	for _, status := range []int{400, 401, 403, 404, 405, 409, 415, 422, 451, 499} {
		list[fmt.Sprint("HTTP ", status)] = fault{says(status, success), ReasonStatus, status, true}
	}
	for body, reason := range brokenBodies {
		list["200 "+body] = fault{says(200, body), reason, 200, false}
	}
	return list
}

// brokenBodies bring no code: "truncated or non-JSON body, missing or non-integer
// result". How a number is spelled does not matter, a text is none.
var brokenBodies = map[string]string{
	"":                                   ReasonNotJSON,
	"   ":                                ReasonNotJSON,
	success[:40]:                         ReasonNotJSON,
	success + "}":                        ReasonNotJSON,
	success + success:                    ReasonNotJSON,
	success + " 7770017711":              ReasonNotJSON,
	"7770017711":                         ReasonNotJSON,
	"null":                               ReasonNotJSON,
	"[" + success + "]":                  ReasonNotJSON,
	`{"result":00}`:                      ReasonNotJSON,
	`{'result':0}`:                       ReasonNotJSON,
	`{}`:                                 ReasonNoResult,
	`{"resultMessage":"ok"}`:             ReasonNoResult,
	`{"Result":0}`:                       ReasonNoResult,
	`{"result":null}`:                    ReasonNoResult,
	`{"result":"0"}`:                     ReasonNoResult,
	`{"result":""}`:                      ReasonNoResult,
	`{"result":0.5}`:                     ReasonNoResult,
	`{"result":1e10}`:                    ReasonNoResult,
	`{"result":1e999999999}`:             ReasonNoResult,
	`{"result":true}`:                    ReasonNoResult,
	`{"result":[0]}`:                     ReasonNoResult,
	`{"result":{"result":0}}`:            ReasonNoResult,
	`{"data":{"result":0}}`:              ReasonNoResult,
	`{"result":1,"result":0}`:            ReasonNoResult,
	`{"result":4294967296}`:              ReasonNoResult,
	`{"result":12345678901234567890123}`: ReasonNoResult,
}
