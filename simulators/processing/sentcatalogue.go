package processing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Catalogue is what services and service send otherwise than it is. What check
// and pay enforce stays as it was.
type Catalogue struct {
	// Patterns are regular expressions as sent, by "serviceId.name" of an input or
	// display, such as "P1012.ev_account1"; they need not compile.
	Patterns map[string]string `json:"patterns,omitempty"`
	// Hidden serviceIds are not in the answer of services, and code 155 for service.
	Hidden []string `json:"hidden,omitempty"`
}

// SetCatalogue replaces the changes of the catalogue; the zero Catalogue ends
// them. Errors as for Script.
func (c *Centre) SetCatalogue(changes Catalogue) error {
	if err := changes.validate(); err != nil {
		return err
	}
	changes = changes.clone()
	return c.change(record{Catalogue: &changes})
}

// Catalogue returns the changes of the catalogue that hold now.
func (c *Centre) Catalogue() Catalogue {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.books.catalogue.clone()
}

func (k Catalogue) clone() Catalogue {
	return Catalogue{Patterns: maps.Clone(k.Patterns), Hidden: slices.Clone(k.Hidden)}
}

func (k Catalogue) validate() error {
	for _, name := range slices.Sorted(maps.Keys(k.Patterns)) {
		if !hasField(name) {
			return wrong("patterns."+name, "is no serviceId.name of an input or display, such as P1012.ev_account1")
		}
	}
	for i, id := range k.Hidden {
		if findService(id) == nil {
			return wrong(fmt.Sprintf("hidden[%d]", i), "is not a serviceId of the catalogue")
		}
	}
	return nil
}

// hasField reports whether the catalogue has this "serviceId.name".
func hasField(name string) bool {
	id, field, _ := strings.Cut(name, ".")
	s := findService(id)
	return s != nil && (named(s.Inputs, field) || named(s.Displays, field))
}

func named(fields []field, name string) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return f.Name == name })
}

func (k Catalogue) hides(s *service) bool { return slices.Contains(k.Hidden, s.ServiceID) }

// services is the catalogue as sent.
func (k Catalogue) services() []*service {
	sent := []*service{}
	for _, s := range catalogue {
		if !k.hides(s) {
			sent = append(sent, k.show(s))
		}
	}
	return sent
}

// show is one service as sent.
func (k Catalogue) show(s *service) *service {
	if len(k.Patterns) == 0 {
		return s
	}
	sent := *s
	sent.Inputs, sent.Displays = k.fields(s.ServiceID, s.Inputs), k.fields(s.ServiceID, s.Displays)
	return &sent
}

func (k Catalogue) fields(id string, fields []field) []field {
	sent := slices.Clone(fields)
	for i, f := range sent {
		if pattern, changed := k.Patterns[id+"."+f.Name]; changed {
			sent[i].Regexp = pattern
		}
	}
	return sent
}
