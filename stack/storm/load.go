package storm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"tolem/simulators/partners"
	"tolem/stack/deployment"
)

// load is those who ask: agents who pay, tills that sell and decide, the card file.
type load struct {
	d       *deployed
	o       Options
	asked   [kinds]atomic.Int64
	done    atomic.Int64 // who asked for a process and saw to it that it can end
	repeats atomic.Int64
	next    atomic.Int64 // API to ask
}

// kind of process.
type kind int

const (
	payment kind = iota
	order
	paymentOrder
	kinds
)

func (k kind) String() string {
	return [...]string{"payments", "instalment orders", "payment orders"}[k]
}

func newLoad(d *deployed, o Options) *load { return &load{d: d, o: o} }

// callers ask at the same time; each sees its process as far as it is asked to.
const callers = 40

// run asks for every process and returns when all were accepted and nobody has anything more
// to say about them.
func (l *load) run(ctx context.Context) error {
	numbers := make(chan int)
	errs := make([]error, callers)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for n := range numbers {
				if errs[c] == nil {
					errs[c] = l.ask(ctx, n)
				}
			}
		})
	}
	for n := range l.o.Processes {
		numbers <- n
	}
	close(numbers)
	all.Wait()
	return errors.Join(errs...)
}

// ask is process n, from its acceptance on.
func (l *load) ask(ctx context.Context, n int) error {
	chance := random(l.o.Seed, 1000+uint64(n))
	what := []kind{payment, payment, payment, payment, payment, payment, order, order, order, paymentOrder}[chance.IntN(10)]
	l.asked[what].Add(1)
	defer l.done.Add(1)
	switch what {
	case payment:
		return l.pays(ctx, n, chance)
	case order:
		return l.sells(ctx, n, chance)
	default:
		return l.collects(ctx, n, chance)
	}
}

// pays is an agent's payment. Some are refused at check or at pay, some are put off before
// they succeed.
func (l *load) pays(ctx context.Context, n int, chance *rand.Rand) error {
	account := fmt.Sprintf("777%07d", n)
	scripts := []struct {
		call    string
		answers []map[string]any
	}{
		{"check", []map[string]any{{"code": 5}}}, {"pay", []map[string]any{{"code": 1, "times": 2}, {"code": 300}}},
		{"pay", []map[string]any{{"code": 153, "times": 2}}}, {"pay", []map[string]any{{"code": 220, "times": 1}, {"code": 255, "times": 1}}},
	}
	if s := chance.IntN(20); s < len(scripts) {
		script := map[string]any{"call": scripts[s].call, "account": account, "answers": scripts[s].answers}
		if err := l.insist(ctx, func() error { return l.d.Direct(ctx, partners.ProcessingPath+"/control/scripts", script) }); err != nil {
			return err
		}
	}
	_, err := l.api(ctx, http.MethodPost, "/v1/payments", fmt.Sprint("payment-", n),
		map[string]any{"serviceId": "P1011", "account": account, "amountTo": json.Number(fmt.Sprintf("%d.00", 200+chance.IntN(800)))})
	return err
}

// sells is a till's order: the bank's client agrees, refuses or has no money; of those who
// agree some tills let go; some goods come back.
func (l *load) sells(ctx context.Context, n int, chance *rand.Rand) error {
	id, client := fmt.Sprint("order-", n), []int{1, 1, 1, 7, 6, 4}[chance.IntN(6)]
	auto, confirm, back := chance.IntN(2) == 0, chance.IntN(4) > 0, chance.IntN(4) == 0
	body := map[string]any{
		"store_order_id": id, "client_phone": fmt.Sprintf("+7701%06d%d", n, client), "total_sum": json.Number("90000.00"),
		"invoice":         map[string]any{"number": fmt.Sprint(n), "date": "2026-02-17", "source": "STORE"},
		"credit_products": []any{map[string]any{"name": "Рассрочка 3", "parts": 3}},
		"products":        []any{map[string]any{"name": "Телефон", "count": 1, "sum": json.Number("90000.00")}},
		"auto_confirm":    auto,
	}
	if _, err := l.api(ctx, http.MethodPost, "/v1/orders", "", body); err != nil {
		return err
	}
	path := "/v1/orders/" + url.PathEscape(id)
	state, err := l.reaches(ctx, path, "waiting_for_store", "confirming", "active", "paid_out", "failed")
	if err != nil {
		return err
	}
	if state == "waiting_for_store" && !auto {
		decision := map[bool]string{true: "/confirm", false: "/reject"}[confirm]
		if _, err := l.api(ctx, http.MethodPost, path+decision, "", nil); err != nil && !refused(err, http.StatusConflict) {
			return err
		}
	}
	if state, err = l.reaches(ctx, path, "paid_out", "failed"); err != nil || state == "failed" || !back {
		return err
	}
	_, err = l.api(ctx, http.MethodPost, path+"/return", "", map[string]any{"store_return_id": "r" + id, "sum": json.Number("40000.00"), "return_money_to_card": true})
	return err
}

// collects is an overdue loan, whose demand is executed in parts or not accepted.
func (l *load) collects(ctx context.Context, n int, chance *rand.Rand) error {
	contract := fmt.Sprintf("ДБЗ/%d Қ", n)
	loan := map[string]any{
		"iban": "KZ86125KZT5004100100", "cur": "KZT", "debt": 1000 + n, "fullname": "Тестов Тест", "contract_number": "KD-own",
		"dbz_contract_number": contract, "iinbin": "900202300126", "overdue_days": 90, "system": "way4",
	}
	raw, err := l.api(ctx, http.MethodPost, "/restapi/services/k2loan_from_eko", "", []any{loan})
	if err != nil {
		return err
	}
	var answer struct {
		Code int `json:"error_code"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Code != 0 {
		return fmt.Errorf("loan %d was not taken: %s (%w)", n, raw, err)
	}
	path := "/v1/payment-orders/" + url.PathEscape(contract)
	events := []map[string]any{
		{"status": "request confirmed"}, {"status": "payment order activated"}, {"status": "payment order executed", "paid_amount": 300},
		{"status": "payment order executed", "paid_amount": 300}, {"status": "payment order executed", "paid_amount": 400 + n},
	}
	if chance.IntN(5) == 0 {
		events = []map[string]any{{"status": "payment order not accepted"}}
		if _, err := l.reaches(ctx, path, "sent"); err != nil {
			return err
		}
	}
	for i, e := range events {
		if _, err := l.api(ctx, http.MethodPost, path+"/events", fmt.Sprint(n, "-", i), e); err != nil {
			return err
		}
	}
	return nil
}

// reaches waits until what is at a path has one of the states.
func (l *load) reaches(ctx context.Context, path string, states ...string) (string, error) {
	for {
		raw, err := l.api(ctx, http.MethodGet, path, "", nil)
		if err != nil {
			return "", err
		}
		var now struct {
			State string `json:"state"`
		}
		if err := json.Unmarshal(raw, &now); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		for _, s := range states {
			if now.State == s {
				return s, nil
			}
		}
		if err := pause(ctx, time.Second); err != nil {
			return "", err
		}
	}
}

// api asks one API, and after a failure the next, with the same key and bytes, until one
// takes it. A 4xx is an error.
func (l *load) api(ctx context.Context, method, path, key string, body any) (answer []byte, err error) {
	var raw []byte
	if body != nil {
		if raw, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	header := map[string]string{"Authorization": "Bearer " + deployment.Token}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	err = l.insist(ctx, func() error {
		base := l.d.URLs[int(l.next.Add(1))%len(l.d.URLs)]
		answer, err = deployment.Call(ctx, method, base+path, raw, header)
		return err
	})
	return answer, err
}

// insist repeats what fails for want of somebody who answers.
func (l *load) insist(ctx context.Context, what func() error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := what()
		var r *deployment.Refusal
		if err == nil || ctx.Err() != nil || errors.As(err, &r) && r.Status < 500 && r.Status != http.StatusTooManyRequests {
			return err
		}
		l.repeats.Add(1)
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

func refused(err error, status int) bool {
	var r *deployment.Refusal
	return errors.As(err, &r) && r.Status == status
}

// tell says every ten seconds how far everything is, until the returned function is called.
func (l *load) tell(say func(string, ...any), f *faults) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var told sync.WaitGroup
	told.Go(func() {
		for pause(ctx, 10*time.Second) == nil {
			say("%d of %d asked for and seen through · %d requests repeated · %d faults", l.done.Load(), l.o.Processes, l.repeats.Load(), f.done.Load())
		}
	})
	return func() { cancel(); told.Wait() }
}

// result counts what was done.
func (l *load) result(f *faults) *Result {
	r := &Result{Asked: map[string]int{}, Kills: map[string]int64{}, Deaths: map[string]int64{}, Repeats: l.repeats.Load(), Postgres: int(f.postgres.Load())}
	for k := range kinds {
		r.Asked[k.String()] = int(l.asked[k].Load())
	}
	for _, p := range append(l.d.Tolem, l.d.Temporal, l.d.Kafka) {
		r.Kills[p.Name], r.Deaths[p.Name] = p.Kills(), p.Deaths()
	}
	return r
}
