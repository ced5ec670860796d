package processing

// record is one line of the journal: everything that one request, or one control
// call, changed. It is written whole or not at all, and before the answer, so
// that no kill can leave money moved without its line, or an answer given that
// the books do not know.
type record struct {
	Arrived  *Request  `json:"arrived,omitempty"`
	Used     int       `json:"used,omitempty"` // number of the script that gave one answer
	Payment  *Payment  `json:"payment,omitempty"`
	Move     *move     `json:"move,omitempty"`
	Answered *answered `json:"answered,omitempty"`

	Balance        *tenThousandths `json:"balance,omitempty"`
	Overdraft      *tenThousandths `json:"overdraft,omitempty"`
	Notification   *tenThousandths `json:"notification,omitempty"`
	NoNotification bool            `json:"noNotification,omitempty"` // takes it out of the answer
	Script         *Script         `json:"script,omitempty"`
	Storm          *Storm          `json:"storm,omitempty"`
	ClearScripts   bool            `json:"clearScripts,omitempty"`
	ClearStorms    bool            `json:"clearStorms,omitempty"`
	Catalogue      *Catalogue      `json:"catalogue,omitempty"`
}
