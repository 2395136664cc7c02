package mcpserver

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"agentbridge/internal/bridge"
)

// Bounds of what answers remembers. Forgetting is safe: a batch that is not acked comes back, or is acked by its receipt.
const (
	maxLines     = 4096
	maxUntaken   = 64          // a line
	settleWithin = time.Second // how long a request waits for the last byte of an earlier answer
)

// answers remembers what answers held, until it is known what became of it: a batch that the client is known to have taken is acked
// by its next call without saying so, and what a client did not get, or throws away, goes back.
//
// A batch may be implied by a request if the answer that held it was written whole before the request arrived, and was not
// cancelled. "Whole" is all but the last byte: nobody can have read an answer before its last byte, so what was caused by an
// answer arrives after that moment, and the rest is settled before it counts.
type answers struct {
	mu    sync.Mutex // guards all below, and the answer of every exchange
	clock uint64
	lines map[string][]*exchange // requests under way and answers that hold something, in order of arrival
}

// moment is now. A transport takes it when a request arrives, before anything else is done about it.
func (a *answers) moment() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tick()
}

// arrived notes a request that arrived at that moment.
func (a *answers) arrived(x *exchange, at uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x.arrived, x.settled = at, make(chan struct{})
	if a.lines == nil {
		a.lines = map[string][]*exchange{}
	}
	if _, ok := a.lines[x.line]; !ok && len(a.lines) >= maxLines {
		for line := range a.lines { // any: see maxLines
			delete(a.lines, line)
			break
		}
	}
	kept := a.lines[x.line]
	if len(kept) >= maxUntaken {
		kept = slices.Delete(kept, 0, 1)
	}
	a.lines[x.line] = append(kept, x)
}

// answered notes what the answer of x will hold, and reports whether anybody still waits for that answer. If not, it is the caller's
// to give back.
func (a *answers) answered(x *exchange, h held) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if x.many {
		return true // which of its answers this is cannot be told: its lease decides
	}
	if x.withdrawn || x.isSettled() {
		return false
	}
	x.held = h
	return true
}

// holds reports whether the answer of x holds anything.
func (a *answers) holds(x *exchange) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !x.held.nothing()
}

// nearly notes that the answer of x was written, all but its last byte.
func (a *answers) nearly(x *exchange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x.last = a.tick()
}

// over notes that nothing more is written of the answer of x, and whether all of it was. It gives what the answer held and the
// client cannot have. Only the first word counts.
func (a *answers) over(x *exchange, whole bool) (lost held) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if x.isSettled() {
		return held{}
	}
	x.whole = whole && x.last != 0
	close(x.settled)
	if x.whole && !x.held.nothing() && !x.withdrawn {
		return held{}
	}
	a.drop(x.line, func(y *exchange) bool { return y == x })
	if x.withdrawn {
		return held{} // given back when it was
	}
	return x.held
}

// cancelled notes that the client of a line does not want the answer of a request, and ends the request. It may come at any time,
// also when the answer was written long ago. It gives what the client throws away.
func (a *answers) cancelled(line string, id jsonrpc.ID) (lost []held) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(line, func(x *exchange) bool {
		if !x.id.IsValid() || x.id != id || x.withdrawn {
			return false
		}
		x.withdrawn = true
		x.end()
		if !x.held.nothing() {
			lost = append(lost, x.held)
		}
		return x.isSettled()
	})
	return lost
}

// implied gives the batches whose answers the client had when it made the request x.
func (a *answers) implied(ctx context.Context, x *exchange) []bridge.Receipt {
	a.settle(ctx, x)
	a.mu.Lock()
	defer a.mu.Unlock()
	var receipts []bridge.Receipt
	for _, y := range a.lines[x.line] {
		if y.held.batch != "" && y.whole && y.last < x.arrived && !y.withdrawn {
			receipts = append(receipts, y.held.batch)
		}
	}
	return receipts
}

// settle waits until it is known whether the answers that lacked their last byte when x arrived got it. That takes no time, unless
// the client stopped reading.
func (a *answers) settle(ctx context.Context, x *exchange) {
	a.mu.Lock()
	var open []*exchange
	for _, y := range a.lines[x.line] {
		if y.last != 0 && y.last < x.arrived && y.held.batch != "" && !y.whole {
			open = append(open, y)
		}
	}
	a.mu.Unlock()
	if len(open) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	await(ctx, open)
}

// acked drops batches that were acked.
func (a *answers) acked(line string, receipts ...bridge.Receipt) {
	if len(receipts) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(line, func(x *exchange) bool { return x.held.batch != "" && slices.Contains(receipts, x.held.batch) })
}

// used drops a claim whose lease token the client named: it has the answer, whatever it says of it later.
func (a *answers) used(line string, task bridge.TaskID, leaseToken int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(line, func(x *exchange) bool {
		return x.held.claim.task == task && x.held.claim.leaseToken == leaseToken && leaseToken != 0
	})
}

// takeBack gives what the answer of x holds, which the client does not look at any more, unless it acked or used it. It holds nothing
// from now on.
func (a *answers) takeBack(x *exchange) (lost held) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Contains(a.lines[x.line], x) && !x.withdrawn {
		lost, x.held = x.held, held{}
	}
	return lost
}

// had reports whether the client has the answer of x, which holds something. It waits until that is known.
func (a *answers) had(ctx context.Context, x *exchange) bool {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	await(ctx, []*exchange{x})
	a.mu.Lock()
	defer a.mu.Unlock()
	return x.whole && !x.withdrawn
}

// hangUp forgets a line whose client is gone for good.
func (a *answers) hangUp(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.lines, line)
}

// drain waits until everything asked so far was answered, or ctx ends.
func (a *answers) drain(ctx context.Context) {
	a.mu.Lock()
	var open []*exchange
	for _, line := range a.lines {
		for _, x := range line {
			if !x.isSettled() {
				open = append(open, x)
			}
		}
	}
	a.mu.Unlock()
	await(ctx, open)
}

// await waits until all of these are settled, or ctx ends.
func await(ctx context.Context, open []*exchange) {
	for _, x := range open {
		select {
		case <-x.settled:
		case <-ctx.Done():
			return
		}
	}
}

// isSettled reports whether nothing more will be written. answers.mu must be held.
func (x *exchange) isSettled() bool {
	select {
	case <-x.settled:
		return true
	default:
		return false
	}
}

func (a *answers) tick() uint64 {
	a.clock++
	return a.clock
}

func (a *answers) drop(line string, which func(*exchange) bool) {
	if kept := slices.DeleteFunc(a.lines[line], which); len(kept) > 0 {
		a.lines[line] = kept
	} else {
		delete(a.lines, line)
	}
}
