package reconciliation

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"

	"tolem/domain"
)

// BenchmarkMillionRows reads a register of a million rows, in the order of ids and
// in none, and compares it with as many payments.
func BenchmarkMillionRows(b *testing.B) {
	const rows, first = 1_000_000, 175_000_000_000_000_000
	inOrder := make([]int, rows)
	for i := range inOrder {
		inOrder[i] = i
	}
	for name, order := range map[string][]int{"sorted": inOrder, "shuffled": rand.New(rand.NewPCG(7, 11)).Perm(rows)} {
		var text bytes.Buffer
		text.WriteString("agentTransactionId,transactionId,agentTransactionDate,transactionDate,statusDate,serviceId,amountTo,amountFrom,state\n")
		for _, i := range order {
			fmt.Fprintf(&text, "%d,%d,2026-02-17T12:00:00,2026-02-17T07:00:00.123,2026-02-17T07:00:00.123,P10%02d,%d.00,%d.00,succeeded\n",
				first+i, 100_000_000+i, i%100, 1+i%1000, 2+i%1000)
		}
		var payments iter.Seq2[Row, error] = func(yield func(Row, error) bool) {
			for i := range rows {
				row := Row{
					ID: domain.AgentTransactionID(first + i), TransactionID: int64(100_000_000 + i), AgentTransactionDate: atNoon,
					ServiceID: fmt.Sprintf("P10%02d", i%100), AmountTo: money(int64(1+i%1000) * 100), State: domain.StateSucceeded,
				}
				if !yield(row, nil) {
					return
				}
			}
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				r, err := ReadRegister(bytes.NewReader(text.Bytes()), Limits{Rows: rows})
				if err != nil {
					b.Fatal(err)
				}
				result, err := Compare(b.Context(), Comparison{
					Date: day, Register: r, Ours: payments, Elsewhere: books{}.find, Report: func(Difference) error { return nil },
				})
				if err != nil || result.Counts.Match != rows {
					b.Fatalf("%+v %v", result, err)
				}
			}
		})
	}
}
