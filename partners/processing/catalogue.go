package processing

import (
	"encoding/json"
	"errors"
	"fmt"

	"tolem/partners/call"
)

// Partner names the processing centre in the ledger.
const Partner = "processing"

// Catalogue is the list of services open to the agent ("Запрос списка доступных
// для приема платежей услуг"). It and its copies are safe for concurrent use.
type Catalogue struct {
	Services []Service `json:"services"`
	// Broken counts entries that could not be read. They are left out, so that
	// one of them does not close all other services.
	Broken int `json:"broken,omitempty"`
	// Dropped names fields of one service that could not be read and decide nothing; others
	// of its kind are likely.
	Dropped string `json:"-"`
}

// UnmarshalJSON reads what json.Marshal made of a Catalogue, for a copy that was
// stored. Like one that the centre sent, it compiles each pattern once. It fails
// on anything else, so that a damaged copy is no catalogue without services.
func (c *Catalogue) UnmarshalJSON(stored []byte) error {
	type plain Catalogue // without this method
	var read plain
	if err := json.Unmarshal(stored, &read); err != nil {
		return fmt.Errorf("read a stored catalogue: %w", err)
	}
	if read.Services == nil || read.Broken < 0 {
		return errors.New("read a stored catalogue: it has no list of services")
	}
	shared := new(patterns)
	for i := range read.Services {
		if read.Services[i].ServiceID == "" {
			return fmt.Errorf("read a stored catalogue: service %d has no serviceId", i)
		}
		read.Services[i].patterns = shared
	}
	*c = Catalogue(read)
	return nil
}

// Service is one service: what it asks of the payer and what it shows.
type Service struct {
	ServiceID    string  `json:"serviceId"`
	Type         int     `json:"type"` // 0 simple, TypeReceipt or TypeChoice; what check offers decides
	Name         string  `json:"name"`
	Group        string  `json:"group,omitempty"`
	FixedPayment bool    `json:"fixedPayment"` // the amount is given, not chosen
	Country      string  `json:"country,omitempty"`
	Inputs       []Field `json:"inputs,omitempty"`
	Displays     []Field `json:"displays,omitempty"`

	patterns *patterns // shared by a catalogue; nil in a Service made by hand, compiled anew each time then
}

// The types whose payer chooses something between check and pay, by the document's examples;
// its table of them is missing.
const (
	TypeReceipt = 1 // "комплексная": services of a receipt
	TypeChoice  = 2 // "с выбором": one of several contracts
)

// Field is one input of the payer or one value shown to them. Inputs but account
// are named with the prefix ev_.
type Field struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
	Title    string `json:"title,omitempty"`
	Regexp   string `json:"regexp,omitempty"`
}

// Service finds a service by its id.
func (c Catalogue) Service(serviceID string) (Service, bool) {
	for _, s := range c.Services {
		if s.ServiceID == serviceID {
			return s, true
		}
	}
	return Service{}, false
}

const (
	// keyServices is how the document spells the list: with a Cyrillic с (U+0441).
	keyServices = "servi\u0441es"
	// keyServicesLatin is how one would expect it.
	keyServicesLatin = "services"
)

// decodeCatalogue reads the answer to services or service.
func decodeCatalogue(operation string, body []byte) (Catalogue, error) {
	e, err := decodeLookup(operation, body)
	if err != nil {
		return Catalogue{}, err
	}
	o, name := e.Reading(), keyServices
	if !o.Present(keyServices) {
		name = keyServicesLatin
	}
	o.Must(o.Present(name) && (name == keyServicesLatin || !o.Present(keyServicesLatin)), keyServicesLatin)
	items := o.Items(name)
	if !o.OK() {
		return Catalogue{}, badDetails(o)
	}
	c := Catalogue{Services: []Service{}}
	shared := new(patterns)
	for _, entry := range items {
		service, dropped, ok := decodeService(entry)
		if !ok {
			c.Broken++
			continue
		}
		service.patterns = shared
		c.Services = append(c.Services, service)
		if c.Dropped == "" {
			c.Dropped = dropped
		}
	}
	return c, nil
}

// decodeService reads one entry whole or not at all: an input that could not be
// read would be an input that is not checked.
func decodeService(entry json.RawMessage) (s Service, dropped string, ok bool) {
	o := call.Read(entry)
	s = Service{
		ServiceID: o.Text("serviceId"), Type: int(o.Integer("type", 9)), Name: o.Shown("name"), Group: o.Shown("group"),
		FixedPayment: o.Yes("fixedPayment"), Country: o.Shown("country"),
		Inputs: decodeFields(o, "inputs"), Displays: decodeFields(o, "displays"),
	}
	return s, o.Dropped(), o.OK()
}

func decodeFields(o *call.Reading, name string) (fields []Field) {
	o.List(name, func(f *call.Reading) {
		fields = append(fields, Field{
			Name: f.Text("name"), Required: f.Yes("required"),
			Title: f.Shown("title"), Regexp: f.OptionalText("regexp"),
		})
	})
	return fields
}
