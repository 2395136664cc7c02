package workload

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"agentbridge/internal/bridge"
)

// testimony is what the clients of a conversation know: what they asked for, when, and what they were answered. The checker sees nothing
// else of them. Moments are by the clock of the one process that keeps the record.
type testimony struct {
	id      bridge.ConversationID
	readers []string
	history *history // of tasks, and the clock
	local   bool     // agents' processes have the store themselves, so that their death gives back what they held

	mu     sync.Mutex // guards all below
	sends  map[string]*sent
	checks []checked
	deaths []died
}

// sent is one send, by its key: all tries of it until its outcome was known.
type sent struct {
	from, key, text string
	call, answer    moment // of the first try, and of the answer that was believed
	how             outcome
	tries           int
	id              bridge.MessageID
	seq             int64
	to              []string
}

// checked is one call of check_messages.
type checked struct {
	by           string
	process      int // the number of the client's process; each start counts
	ack          bridge.Receipt
	wait         bool // it waited for messages
	limit        int
	call, answer moment
	how          outcome
	receipt      bridge.Receipt
	got          []bridge.Message
}

// died is the end of a client's process: at some time between two moments.
type died struct {
	by           string
	process      int
	call, answer moment
}

func newTestimony(h *history) *testimony { return &testimony{history: h, sends: map[string]*sent{}} }

// note adds something under the lock.
func (r *testimony) note(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
}

// answered counts the sends whose outcome is known.
func (r *testimony) answered() (n int) {
	r.note(func() {
		for _, s := range r.sends {
			if s.how != unknown {
				n++
			}
		}
	})
	return n
}

// sorted are all sends in the order of their calls.
func (r *testimony) sorted() []*sent {
	return slices.SortedFunc(maps.Values(r.sends), func(a, b *sent) int { return cmp.Compare(a.call, b.call) })
}

// acked are the receipts of batches whose ack was answered, with the moment of the first such answer.
func (r *testimony) acked() map[bridge.Receipt]moment {
	at := map[bridge.Receipt]moment{}
	for _, c := range r.checks {
		if _, known := at[c.ack]; c.ack != "" && c.how == done && !known {
			at[c.ack] = c.answer
		}
	}
	return at
}
