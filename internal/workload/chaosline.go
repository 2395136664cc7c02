package workload

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"agentbridge/internal/bridge"
)

// noticed is how long after its commit a message may lie before a reader that waits gets it: the slowest way is a look at the
// database every second, and this machine is busy.
const noticed = 3500 * time.Millisecond

// What happens to a reader's inbox.
type (
	arrives struct { // a message is stored
		seq  int64
		mine bool // for this reader
	}
	acks   struct{ seqs []int64 }
	leases struct {
		process, limit int
		seqs           []int64 // what came; nil: nothing waited
		marked         []bool  // whether each was said to be redelivered
	}
	dies struct{ process int }
)

// inbox is a reader's inbox as it must stand between two events. Slices are never changed, only replaced.
type inbox struct {
	last int64   // the newest sequence number of the conversation
	new  []int64 // stored, and never handed out
	back []int64 // handed out before, and waiting again
	out  []int64 // with the process that lives
	dead int     // the newest process that died
}

// linearizable tells whether there is an order of everything that a reader was told and of all sends that explains each answer, and
// contradicts no clock. The others' inboxes are looked at by themselves.
func (r *testimony) linearizable(name string, notices map[int64][]string) (violations []string) {
	var ops []porcupine.Operation
	add := func(in any, how outcome, call, answer moment) {
		ops = append(ops, porcupine.Operation{Input: in, Output: how, Call: int64(call), Return: int64(answer)})
	}
	for _, s := range r.sends {
		if s.how == done {
			add(arrives{s.seq, slices.Contains(s.to, name)}, done, s.call, s.answer)
		}
	}
	for seq, to := range notices { // the bridge's own: nobody was told when
		add(arrives{seq, slices.Contains(to, name)}, done, 0, math.MaxInt64)
	}
	for _, d := range r.deaths {
		if d.by == name {
			add(dies{d.process}, done, d.call, d.answer)
		}
	}
	batches := map[bridge.Receipt][]int64{}
	for _, c := range r.checks {
		if c.by != name {
			continue
		}
		if c.ack != "" && c.how != outcome(bridge.LeaseLost) {
			add(acks{batches[c.ack]}, c.how, c.call, c.answer)
		}
		l := leases{process: c.process, limit: c.limit}
		for _, m := range c.got {
			l.seqs, l.marked = append(l.seqs, m.Seq), append(l.marked, m.Redelivered)
		}
		batches[c.receipt] = l.seqs
		from := c.call
		if c.how == done && c.wait && len(c.got) == 0 {
			from = max(from, c.answer-moment(noticed)) // it must have looked lately
		}
		if c.how == done || c.how == unknown {
			add(l, c.how, from, c.answer)
		}
	}
	rules := inboxRules()
	// Where many calls have an outcome that nobody knows, the search for an order may find no end. Then the other judgements stand alone.
	if result := porcupine.CheckOperationsTimeout(rules.ToModel(), ops, patience); result == porcupine.Illegal {
		violations = append(violations, fmt.Sprintf("the %d calls that made and read the inbox of %s have no order in which they make sense: %s", len(ops), name, result))
	}
	return violations
}

// inboxRules say what may happen to an inbox, one thing after another.
func inboxRules() porcupine.NondeterministicModel {
	return porcupine.NondeterministicModel{
		Init: func() []any { return []any{inbox{}} },
		Equal: func(a, b any) bool {
			x, y := a.(inbox), b.(inbox)
			return x.last == y.last && x.dead == y.dead && slices.Equal(x.new, y.new) && slices.Equal(x.back, y.back) && slices.Equal(x.out, y.out)
		},
		Step: func(state, input, output any) []any {
			s, how := state.(inbox), output.(outcome)
			switch e := input.(type) {
			case arrives:
				if e.seq != s.last+1 {
					return nil
				}
				s.last = e.seq
				if e.mine {
					s.new = append(slices.Clip(s.new), e.seq)
				}
				return []any{s}
			case acks:
				after := s
				after.back, after.out = without(s.back, e.seqs), without(s.out, e.seqs)
				return either(how, s, after)
			case dies:
				s.dead = max(s.dead, e.process)
				s.back, s.out = merged(s.back, s.out), nil
				return []any{s}
			case leases:
				return s.lease(e, how)
			}
			return nil
		},
	}
}

// either gives what may be after something of which it is known, or not, that it happened.
func either(how outcome, before, after inbox) []any {
	if how == unknown {
		return []any{before, after}
	}
	return []any{after}
}

// lease hands out what waits, the oldest first.
func (s inbox) lease(e leases, how outcome) []any {
	waits := merged(s.back, s.new)
	batch := waits[:min(e.limit, len(waits))]
	if how == done {
		if !slices.Equal(batch, e.seqs) {
			return nil
		}
		for i, seq := range batch {
			if e.marked[i] != slices.Contains(s.back, seq) {
				return nil
			}
		}
	}
	after := s
	after.back, after.new = without(s.back, batch), without(s.new, batch)
	if how == done && e.process > s.dead {
		after.out = merged(s.out, batch)
		return []any{after}
	}
	// Nobody saw the batch, so it comes back: when its process is dead, or the bridge gave it back.
	after.back = merged(after.back, batch)
	return either(how, s, after)
}

func merged(a, b []int64) []int64 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return all
}

func without(list, gone []int64) (rest []int64) {
	for _, n := range list {
		if !slices.Contains(gone, n) {
			rest = append(rest, n)
		}
	}
	return rest
}
