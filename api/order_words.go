package api

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"tolem/domain"
	"tolem/storage"
)

// The one catalogue of what cashiers are told: a file for each language. A new
// language is a new file with the same keys.
//
//go:embed words/*.json
var wordFiles embed.FS

// words speak one language.
type words struct {
	tag  language.Tag
	text map[string]string
}

// dictionary chooses among languages.
type dictionary struct {
	matcher language.Matcher
	all     []words // the first is spoken to whoever asks for none of them
}

// fallback is the language of who asks for none that there is.
const fallback = "ru"

func newDictionary() (dictionary, error) {
	files, err := wordFiles.ReadDir("words")
	if err != nil {
		return dictionary{}, err
	}
	var d dictionary
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".json")
		raw, err := wordFiles.ReadFile(path.Join("words", file.Name()))
		if err != nil {
			return dictionary{}, err
		}
		w := words{}
		if w.tag, err = language.Parse(name); err != nil {
			return dictionary{}, fmt.Errorf("api: words/%s: %w", file.Name(), err)
		}
		if err := json.Unmarshal(raw, &w.text); err != nil {
			return dictionary{}, fmt.Errorf("api: words/%s: %w", file.Name(), err)
		}
		if name == fallback {
			d.all = append([]words{w}, d.all...)
		} else {
			d.all = append(d.all, w)
		}
	}
	var tags []language.Tag
	for _, w := range d.all {
		tags = append(tags, w.tag)
	}
	d.matcher = language.NewMatcher(tags)
	return d, nil
}

// spoken is the language that fits an Accept-Language header best.
func (d dictionary) spoken(header string) words {
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(header) > 1000 {
		return d.all[0]
	}
	_, i, _ := d.matcher.Match(wanted...)
	return d.all[i]
}

// ofOrder tells the cashier where an order stands and what to do now.
func (w words) ofOrder(o storage.InstalmentOrder, now time.Time) string {
	switch {
	case o.State == domain.OrderFailed:
		return w.ofFailure(o, now)
	case o.BankMeaning.Settled() && o.Decision == domain.DecisionReject && o.BankMeaning != domain.BankReturned:
		return w.text["rejected_and_confirmed"]
	case o.Held:
		return w.text["held"]
	case o.State == domain.OrderPaidOut && o.BankMeaning == domain.BankDone:
		return w.text["paid_out.done"]
	case o.State == domain.OrderPaidOut && o.BankMeaning == domain.BankReturned:
		return w.text["paid_out.returned"]
	}
	return w.text[string(o.State)]
}

func (w words) ofFailure(o storage.InstalmentOrder, now time.Time) string {
	said := w.either("failed."+o.FailReason, "failed")
	if o.Decision == domain.DecisionConfirm && o.BankMeaning != domain.BankReturned {
		return w.text["confirmed_and_failed"] + " " + said
	}
	again, left := againIn(o, now)
	switch {
	case !again.Possible:
		return said
	case left <= 0:
		return said + " " + w.text["again.now"]
	}
	minutes := int((left + time.Minute - 1) / time.Minute)
	return said + " " + strings.ReplaceAll(w.text["again.later"], "{minutes}", strconv.Itoa(minutes))
}

func (w words) either(key, otherwise string) string {
	if text, ok := w.text[key]; ok {
		return text
	}
	return w.text[otherwise]
}

// againIn says whether the purchase of a failed order may be tried again, and in how
// long. A client whom the bank does not know registers first.
func againIn(o storage.InstalmentOrder, now time.Time) (again domain.Again, left time.Duration) {
	again = domain.AgainAfter(o.FailReason)
	if o.FailReason == domain.FailClientNotFound {
		again = domain.Again{Possible: true}
	}
	if o.EndedAt != nil {
		left = o.EndedAt.Add(again.After).Sub(now)
	}
	return again, left
}
