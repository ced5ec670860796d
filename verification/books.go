package verification

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tolem/domain"
	"tolem/storage"
)

// booked is one line of the processing centre's books.
type booked struct {
	ID      int64  `json:"agentTransactionId"`
	Number  int64  `json:"transactionId"`
	State   string `json:"state"`
	Effects int    `json:"effects"`

	ours bool
}

// bankOrder is one line of the bank's books.
type bankOrder struct {
	ID     string `json:"storeOrderId"`
	Number string `json:"orderId"`
	State  struct {
		Main string `json:"state"`
		Sub  string `json:"order_sub_state"`
	} `json:"state"`
	Creates  int `json:"creates"`
	Confirms int `json:"confirms"`
	Rejects  int `json:"rejects"`
	Returns  []struct {
		ID string `json:"storeReturnId"`
	} `json:"returns"`

	ours bool
}

// bookLimit bounds an answer of a partner that shows its books, in bytes.
const bookLimit = 1 << 30

func (v *verifier) readBooks(ctx context.Context) error {
	if v.Books == "" {
		v.report.Skipped = append(v.report.Skipped, "the partners' books")
		return nil
	}
	reader := &http.Client{Timeout: time.Minute}
	base := strings.TrimSuffix(v.Books, "/")
	var centre struct {
		Payments []*booked `json:"payments"`
	}
	if err := readJSON(ctx, reader, base+"/processing/control/payments", &centre); err != nil {
		return err
	}
	var bank struct {
		Orders []*bankOrder `json:"orders"`
	}
	if err := readJSON(ctx, reader, base+"/cfront/control/orders", &bank); err != nil {
		return err
	}
	v.centre, v.bank = map[int64]*booked{}, map[string]*bankOrder{}
	for _, p := range centre.Payments {
		v.centre[p.ID] = p
	}
	for _, o := range bank.Orders {
		v.bank[o.ID] = o
	}
	return nil
}

func readJSON(ctx context.Context, reader *http.Client, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := reader.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // read as far as it is needed
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, bookLimit)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}

// centreAgrees checks a payment against the processing centre's books. Where people recorded
// where its money really is, that counts instead of the state.
func (v *verifier) centreAgrees(p storage.Payment, r storage.ProcessRecord) {
	if v.centre == nil {
		return
	}
	id, b := p.ID.WorkflowID(), v.centre[int64(p.ID)]
	if b == nil {
		b = &booked{State: "unknown"}
	}
	b.ours = true
	v.report.check(OneEffect, id, b.Effects <= 1, "its money moved %d times", b.Effects)
	moved, number := p.State.Moved(), p.TransactionID == nil || *p.TransactionID == b.Number
	says := string(p.State)
	if c := correction(r); c != nil {
		moved, number = c.Money == domain.MoneyMoved, c.TransactionNumber == "" || c.TransactionNumber == strconv.FormatInt(b.Number, 10)
		says += ", corrected to " + string(c.Money)
	}
	switch {
	case p.State.Terminal() && moved:
		v.report.check(Partner, id, b.Effects == 1 && number, "%s, and at the centre %s", says, b.State)
	case p.State.Terminal():
		v.report.check(Partner, id, b.Effects == 0 && b.State != "registered", "%s, and at the centre %s", says, b.State)
	}
	if p.PaySentAt == nil && p.RestoredEpoch == 0 && correction(r) == nil {
		v.report.check(Partner, id, b.Effects == 0, "no pay was ever begun, and its money moved")
	}
}

// bankAgrees checks an order against the bank's books. Where people recorded where the money
// really is, that counts instead of the state.
func (v *verifier) bankAgrees(o storage.InstalmentOrder, r storage.ProcessRecord) {
	if v.bank == nil {
		return
	}
	id, b, fixed := o.ID.WorkflowID(), v.bank[string(o.ID)], correction(r)
	if b == nil {
		v.report.check(Partner, id, o.BankOrderID == "" && o.State != domain.OrderPaidOut || fixed != nil, "%s, and the bank does not have it", o.State)
		return
	}
	b.ours = true
	v.report.check(OneEffect, id, b.Creates == 1 && b.Confirms+b.Rejects <= 1, "created %d times, confirmed %d, rejected %d", b.Creates, b.Confirms, b.Rejects)
	sale := b.State.Main == "SUCCESS" && b.State.Sub != "RETURNED"
	resolved := o.ResolvedAction != nil // by two people, while the bank was silent
	switch {
	case fixed != nil:
		v.report.check(Partner, id, sale == (fixed.Money == domain.MoneyMoved), "corrected to %s, and at the bank %s %s", fixed.Money, b.State.Main, b.State.Sub)
	case o.State == domain.OrderPaidOut:
		known := o.BankOrderID == b.Number || resolved && o.BankOrderID == ""
		v.report.check(Partner, id, b.State.Main == "SUCCESS" && known, "paid out, and at the bank %s %s", b.State.Main, b.State.Sub)
	case o.State == domain.OrderFailed:
		v.report.check(Partner, id, !sale && (resolved || b.State.Main != "IN_PROCESS"), "failed, and at the bank %s %s", b.State.Main, b.State.Sub)
	}
}

// bankTookBack checks a return against the bank's books, or against people's correction.
func (v *verifier) bankTookBack(r storage.OrderReturn, record storage.ProcessRecord) {
	if v.bank == nil {
		return
	}
	times := 0
	if b := v.bank[string(r.OrderID)]; b != nil {
		for _, booked := range b.Returns {
			if booked.ID == string(r.ID) {
				times++
			}
		}
	}
	id, returned, says := r.WorkflowID(), r.State == domain.ReturnReturned, string(r.State)
	if c := correction(record); c != nil {
		returned, says = c.Money == domain.MoneyMoved, says+", corrected to "+string(c.Money)
	}
	v.report.check(OneEffect, id, times <= 1, "taken back %d times", times)
	if r.State.Terminal() {
		v.report.check(Partner, id, (times == 1) == returned, "%s, and the bank took it back %d times", says, times)
	}
}

// strangers finds effects at the partners that no process of ours asked for. Of a process that
// a restore lost, people recorded where its money is.
func (v *verifier) strangers(context.Context) error {
	if v.centre == nil {
		return nil
	}
	for id, b := range v.centre {
		process := "payment/" + strconv.FormatInt(id, 10)
		_, lost := v.restores.missing[process]
		v.report.check(Partner, process, b.ours || b.Effects == 0 || lost, "money moved, and the ledger does not have the payment")
		v.report.check(Partner, process, b.ours || !lost || v.restores.lostAs(process, b.Effects > 0), "at the centre %s, and people recorded otherwise", b.State)
		v.report.check(OneEffect, process, b.ours || b.Effects <= 1, "its money moved %d times", b.Effects)
	}
	for id, b := range v.bank {
		process, sale := domain.StoreOrderID(id).WorkflowID(), b.State.Main == "SUCCESS" && b.State.Sub != "RETURNED"
		v.report.check(Partner, process, b.ours || v.restores.lostAs(process, sale), "the bank has an order that the ledger does not have")
	}
	return nil
}
