package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"agentbridge/internal/bridge"
)

func historyPromises() []promise {
	return []promise{
		{"History_OfOneHandleIsLinearizable", talk.told(historyOfOneHandle)},
		{"History_WithFaultsIsLinearizable", talk.told(historyWithFaults)},
		{"TaskHistory_OfOneHandleIsLinearizable", work.told(historyOfOneHandle)},
		{"TaskHistory_WithFaultsIsLinearizable", work.told(historyWithFaults)},
	}
}

func sharedHistoryPromises() []promise {
	return []promise{
		{"History_OfHandlesIsLinearizable", talk.told(historyOfHandles)},
		{"History_OfProcessesIsLinearizable", talk.told(historyOfProcesses)},
		{"History_WithKilledProcessesIsLinearizable", talk.told(historyWithKills)},
		{"TaskHistory_OfHandlesIsLinearizable", work.told(historyOfHandles)},
		{"TaskHistory_OfProcessesIsLinearizable", work.told(historyOfProcesses)},
		{"TaskHistory_WithKilledProcessesIsLinearizable", work.told(historyWithKills)},
	}
}

// tale is a kind of story: what clients do in it, and what comes of that.
type tale struct {
	next  func(r *chooser, n int) call
	start func() chapter
}

// chapter is a conversation at some point of a story.
type chapter interface {
	// do gives what it is after a call, and the answer.
	do(c call) (chapter, answer)
	equal(other chapter) bool
	String() string
}

func (l tale) told(by func(t *testing.T, e Engine, l tale)) func(t *testing.T, e Engine) {
	return func(t *testing.T, e Engine) { by(t, e, l) }
}

func historyOfOneHandle(t *testing.T, e Engine, l tale) {
	s := e.start(t)
	l.tell(t, s, fixed(&local{store: s}, &local{store: s}, &local{store: s}, &local{store: s}, &local{store: s}, &local{store: s}))
}

func historyWithFaults(t *testing.T, e Engine, l tale) {
	s := e.start(t)
	var clients []func(int) actor
	for seed := range uint64(4) {
		odds := rand.New(rand.NewPCG(seed, 1))
		clients = append(clients, always(&local{store: Faulty(s, func(int, string) bool { return odds.IntN(40) == 0 })}))
	}
	l.tell(t, s, clients)
}

func historyOfHandles(t *testing.T, e Engine, l tale) {
	address := e.New(t)
	a, b, c := e.open(t, address), e.open(t, address), e.open(t, address)
	l.tell(t, a, fixed(&local{store: a}, &local{store: b}, &local{store: c}, &local{store: a}, &local{store: b}, &local{store: c}))
}

func historyOfProcesses(t *testing.T, e Engine, l tale) {
	address := e.New(t)
	s := e.open(t, address)
	l.tell(t, s, fixed(e.spawn(t, address), e.spawn(t, address), e.spawn(t, address), &local{store: s}, &local{store: s}))
}

// historyWithKills kills processes in the midst of their calls, as a crash would. Others take their places.
func historyWithKills(t *testing.T, e Engine, l tale) {
	address := e.New(t)
	s := e.open(t, address)
	clients := fixed(&local{store: s}, &local{store: s})
	for range 3 {
		first, second := e.spawn(t, address), e.spawn(t, address)
		clients = append(clients, func(n int) actor {
			switch {
			case n < calls/2:
				return first
			case n == calls/2:
				go first.kill() // while it does what it is told next
				return first
			}
			return second
		})
	}
	l.tell(t, s, clients)
}

// always is a client with the same actor for all its calls.
func always(a actor) func(int) actor { return func(int) actor { return a } }

func fixed(actors ...actor) []func(int) actor {
	var clients []func(int) actor
	for _, a := range actors {
		clients = append(clients, always(a))
	}
	return clients
}

// calls is how many each client makes in a story.
const calls = 40

// tell lets clients act at random in two conversations, all at once, and checks that what they were told is what they would have been
// told one after another, in an order that contradicts no clock. A client gives the actor for its nth call.
func (l tale) tell(t *testing.T, s bridge.Store, clients []func(n int) actor) {
	t.Helper()
	var (
		mu      sync.Mutex // guards history
		history []porcupine.Operation
	)
	start := time.Now()
	var wg sync.WaitGroup
	for id, client := range clients {
		wg.Go(func() {
			next := chooser{rand.New(rand.NewPCG(uint64(id), 7)), id, crew[id%len(crew)], nil}
			for n := range calls {
				c := l.next(&next, n)
				for range 5 { // as a client does: the same call again until its outcome is known
					op := porcupine.Operation{ClientId: id, Input: c, Call: int64(time.Since(start))}
					a := client(n).do(c)
					op.Output, op.Return = a, int64(time.Since(start))
					if a.Unknown {
						op.Return = math.MaxInt64 // it may yet be done, or never
					} else if a.Err != "" {
						t.Errorf("%s of client %d = %s", c.Op, id, a.Err)
					}
					mu.Lock()
					history = append(history, op)
					mu.Unlock()
					if !a.Unknown {
						break
					}
					n++ // the next actor's turn, where there is one
				}
			}
		})
	}
	wg.Wait()
	l.linearizable(t, history)
	Invariants(t, s)
}

// chooser makes up a client's calls.
type chooser struct {
	odds   *rand.Rand
	id     int
	member string
	leased []call // batches not acked yet
}

// talk is the tale of sending, leasing, acking and looking.
var talk = tale{next: (*chooser).talk, start: func() chapter { return ledger(nil) }}

func (r *chooser) talk(n int) call {
	c := call{Conversation: convID(r.odds.IntN(2)), Member: r.member}
	switch roll := r.odds.IntN(10); {
	case roll < 4:
		c.Op, c.Key = "send", fmt.Sprintf("%d.%d", r.id, r.odds.IntN(n+1)) // now and then a key that was used before
	case roll < 6 && len(r.leased) > 0:
		c, r.leased = r.leased[0], r.leased[1:]
		c.Op = "ack"
	case roll < 8:
		c.Op, c.Receipt, c.Limit = "lease", bridge.Receipt(fmt.Sprintf("rcpt_%d.%d", r.id, n)), 1+r.odds.IntN(3)
		r.leased = append(r.leased, c)
	default:
		c.Op = "look"
	}
	return c
}

func (l tale) linearizable(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	rules := l.sequential()
	m := rules.ToModel()
	result, info := porcupine.CheckOperationsVerbose(m, history, patience)
	if result == porcupine.Ok {
		return
	}
	t.Errorf("a history of %d calls has no order in which it makes sense: %s", len(history), result)
	picture := filepath.Join(t.ArtifactDir(), "history.html")
	if err := porcupine.VisualizePath(m, info, picture); err == nil {
		t.Logf("drawn in %s, which -artifacts keeps", picture)
	}
}

// sequential says what calls on one conversation do one after another.
func (l tale) sequential() porcupine.NondeterministicModel {
	return porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := map[bridge.ConversationID][]porcupine.Operation{}
			for _, op := range history {
				id := op.Input.(call).Conversation
				parts[id] = append(parts[id], op)
			}
			var all [][]porcupine.Operation
			for _, part := range parts {
				all = append(all, part)
			}
			return all
		},
		Init:  func() []any { return []any{l.start()} },
		Equal: func(a, b any) bool { return a.(chapter).equal(b.(chapter)) },
		Step: func(state, input, output any) []any {
			before, got := state.(chapter), output.(answer)
			after, want := before.do(input.(call))
			switch {
			case got.Unknown:
				return []any{before, after}
			case want.Text == got.Text && slices.Equal(want.Seqs, got.Seqs):
				return []any{after}
			}
			return nil
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
		DescribeState:     func(state any) string { return state.(chapter).String() },
	}
}

func (l ledger) equal(other chapter) bool { return slices.Equal(l, other.(ledger)) }

// do gives the ledger after a call, and the answer.
func (l ledger) do(c call) (chapter, answer) {
	who := slices.Index(crew[:], c.Member)
	if c.Op == "look" {
		return l, answer{Text: l.String()}
	}
	if c.Op == "send" {
		for i, line := range l {
			if line.key == c.Key && line.copies[who] == "" {
				return l, answer{Seqs: []int64{int64(i + 1)}}
			}
		}
		sent := line{key: c.Key}
		for i := range crew {
			if i != who {
				sent.copies[i] = string(bridge.Stored)
			}
		}
		return append(slices.Clip(l), sent), answer{Seqs: []int64{int64(len(l) + 1)}}
	}
	batch := "/" + string(c.Receipt)
	var a answer
	after := slices.Clone(l)
	for i, line := range l {
		if strings.HasSuffix(line.copies[who], batch) {
			a.Seqs = append(a.Seqs, int64(i+1))
			if c.Op == "ack" {
				after[i].copies[who] = string(bridge.Acked) + batch
			}
		}
	}
	if c.Op == "ack" || len(a.Seqs) > 0 {
		return after, a
	}
	for i, line := range l {
		if line.copies[who] == string(bridge.Stored) && len(a.Seqs) < c.Limit {
			a.Seqs = append(a.Seqs, int64(i+1))
			after[i].copies[who] = string(bridge.Delivered) + batch
		}
	}
	return after, a
}
