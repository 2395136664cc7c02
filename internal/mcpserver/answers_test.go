package mcpserver

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"pgregory.net/rapid"

	"agentbridge/internal/bridge"
)

// told is what a history says of one request, in the plainest words.
type told struct {
	x                                  *exchange
	arrived, written                   int // when, in events; 0: never
	answered, cancelled, gone, claimed bool
	task                               bool // its answer holds a task, which is never implied
}

// TestImplied_OnlyWhatWasWrittenBefore plays random histories of two lines and compares each answer with the definition: a batch is
// implied for a request if its answer was written whole and uncancelled before the request arrived, on the same line, and it was
// not acked since.
func TestImplied_OnlyWhatWasWrittenBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a answers
		now := 0
		requests := map[string]*told{}
		pick := func(which func(*told) bool) *told {
			var ids []string
			for id, r := range requests {
				if which(r) {
					ids = append(ids, id)
				}
			}
			if len(ids) == 0 {
				return nil
			}
			slices.Sort(ids)
			return requests[rapid.SampledFrom(ids).Draw(t, "request")]
		}
		receipt := func(r *told) bridge.Receipt { return bridge.Receipt(fmt.Sprint("rcpt_", r.x.line, r.x.id.Raw())) }
		holding := func(r *told) held {
			if r.task {
				return held{claim: claim{task: bridge.TaskID(receipt(r)), leaseToken: 1}}
			}
			return held{batch: receipt(r)}
		}
		steps := map[string]func(){
			"arrive": func() {
				n := len(requests)
				id, _ := jsonrpc.MakeID(float64(n))
				r := &told{arrived: now, task: rapid.Bool().Draw(t, "task"), x: &exchange{line: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "line"), id: id, end: func() {}}}
				a.arrived(r.x, a.moment())
				requests[fmt.Sprint(n)] = r
			},
			"answer": func() {
				r := pick(func(r *told) bool { return !r.answered && r.written == 0 && !r.gone })
				if r == nil {
					return
				}
				if got := a.answered(r.x, holding(r)); got == r.cancelled {
					t.Fatalf("answered(%v) = %v, cancelled = %v", r.x.id.Raw(), got, r.cancelled)
				}
				r.answered = !r.cancelled
			},
			"write": func() {
				if r := pick(func(r *told) bool { return r.answered && r.written == 0 && !r.gone }); r != nil {
					a.nearly(r.x)
					if lost := a.over(r.x, true); !lost.nothing() {
						t.Fatalf("lost %v, which was written", lost)
					}
					r.written = now
				}
			},
			"break": func() {
				if r := pick(func(r *told) bool { return r.written == 0 && !r.gone }); r != nil {
					var want held
					if r.answered && !r.cancelled {
						want = holding(r)
					}
					if lost := a.over(r.x, false); lost != want {
						t.Fatalf("lost %v, want %v", lost, want)
					}
					r.gone = true
				}
			},
			"cancel": func() {
				if r := pick(func(*told) bool { return true }); r != nil {
					lost := a.cancelled(r.x.line, r.x.id)
					if has := r.answered && !r.cancelled && !r.gone && !r.claimed; has != (len(lost) == 1) {
						t.Fatalf("cancelling gave back %v, has a batch: %v", lost, has)
					}
					r.cancelled = true
				}
			},
			"use": func() {
				if r := pick(func(r *told) bool { return r.task && r.written != 0 }); r != nil {
					a.used(r.x.line, holding(r).claim.task, 1)
					r.claimed = true
				}
			},
			"check": func() {
				r := pick(func(*told) bool { return true })
				if r == nil {
					return
				}
				var want []bridge.Receipt
				for _, q := range requests {
					if !q.task && q.x.line == r.x.line && q.written != 0 && q.written < r.arrived && !q.cancelled && !q.claimed {
						want = append(want, receipt(q))
					}
				}
				got := a.implied(context.Background(), r.x)
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("implied(%v) = %v, want %v", r.x.id.Raw(), got, want)
				}
				if rapid.Bool().Draw(t, "acked") {
					a.acked(r.x.line, got...)
					for _, q := range requests {
						q.claimed = q.claimed || q.x.line == r.x.line && slices.Contains(got, receipt(q))
					}
				}
			},
		}
		names := slices.Sorted(maps.Keys(steps))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now++
			steps[rapid.SampledFrom(names).Draw(t, "step")]()
		}
	})
}

// A request that an answer caused may be looked at before the write of that answer has returned.
func TestImplied_WaitsForTheLastByte(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var a answers
		first := &exchange{line: "l"}
		a.arrived(first, a.moment())
		a.answered(first, held{batch: "rcpt_1"})
		a.nearly(first)
		next := &exchange{line: "l"}
		a.arrived(next, a.moment())
		got := make(chan []bridge.Receipt)
		go func() { got <- a.implied(t.Context(), next) }()
		a.over(first, true)
		if r := <-got; len(r) != 1 {
			t.Errorf("implied = %v, want the batch whose last byte was on its way", r)
		}

		stuck := &exchange{line: "l"}
		a.arrived(stuck, a.moment())
		a.answered(stuck, held{batch: "rcpt_2"})
		a.nearly(stuck)
		last := &exchange{line: "l"}
		a.arrived(last, a.moment())
		if r := a.implied(t.Context(), last); len(r) != 1 || r[0] != "rcpt_1" {
			t.Errorf("implied = %v, want rcpt_1 without the batch of a client that does not read", r)
		}
	})
}

func TestAnswers_RemembersBoundedly(t *testing.T) {
	var a answers
	for i := range 2 * maxUntaken {
		x := &exchange{line: "busy"}
		a.arrived(x, a.moment())
		a.answered(x, held{batch: bridge.Receipt(fmt.Sprint(i))})
		a.nearly(x)
		a.over(x, true)
	}
	if n := len(a.lines["busy"]); n != maxUntaken {
		t.Errorf("%d answers kept for a line, want %d", n, maxUntaken)
	}
	for i := range maxLines + 10 {
		a.arrived(&exchange{line: fmt.Sprint(i)}, a.moment())
	}
	if n := len(a.lines); n > maxLines {
		t.Errorf("%d lines kept, want at most %d", n, maxLines)
	}
}
