package workload

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// record is what the clients of a run know: what each sent, what it was answered, and what came to each.
type record struct {
	began  time.Time
	seated atomic.Int64

	mu      sync.Mutex // guards all below
	numbers int        // given to messages so far
	sent    []sending
	came    [][]arrival   // by seat, in the order of coming
	counted []map[int]int // by seat: how often each number came
	arrived int           // copies, each counted once
}

// sending is one message as its sender knows it.
type sending struct {
	n, from, room       int
	to                  []int // seats that it was stored for
	size                int
	due, call, answered moment
	how                 outcome
	seq                 int64
	passed              int // seats whose inbox was full
}

// arrival is one message as somebody got it.
type arrival struct {
	n, room int
	seq     int64
	from    string
	at      moment
	intact  bool // it says what was sent under this number
}

func newRecord(agents int) *record {
	r := &record{began: time.Now(), came: make([][]arrival, agents), counted: make([]map[int]int, agents)}
	for i := range r.counted {
		r.counted[i] = map[int]int{}
	}
	return r
}

// start makes this the moment that all others count from.
func (r *record) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = time.Now()
}

func (r *record) ran() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.began)
}

// next gives a message its number, unless there are to be no more.
func (r *record) next(most int) (n int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if most > 0 && r.numbers >= most {
		return 0, false
	}
	r.numbers++
	return r.numbers - 1, true
}

// said notes how a message ended for its sender.
func (r *record) said(d draft, call time.Time, how outcome, res bridge.SendResult, seats []seat) {
	answered := time.Now()
	to := slices.DeleteFunc(slices.Clone(d.to), func(at int) bool {
		return slices.ContainsFunc(res.Dead, func(dead bridge.Delivery) bool { return dead.Recipient == seats[at].name })
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	since := func(t time.Time) moment { return int64(t.Sub(r.began)) }
	r.sent = append(r.sent, sending{d.n, d.from, d.room, to, d.size, since(d.due), since(call), since(answered), how, res.Seq, len(d.to) - len(to)})
}

// heard notes what came to a seat, and gives for each message that came for the first time that seat.
func (r *record) heard(at int, messages []bridge.Message, rooms []room) (first []int) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		if m.From == bridge.ProgramName {
			continue // the bridge's own words are no load
		}
		a := arrival{n: -1, seq: m.Seq, from: m.From, at: int64(now.Sub(r.began)), room: slices.IndexFunc(rooms, func(o room) bool { return o.id == m.Conversation })}
		a.n, a.intact = readStressText(Unframed(m.Text))
		r.came[at] = append(r.came[at], a)
		if r.counted[at][a.n]++; r.counted[at][a.n] == 1 {
			r.arrived++
			first = append(first, at)
		}
	}
	return first
}

// missing counts what was promised and has not come, and what has.
func (r *record) missing() (missing, arrived int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sent {
		for _, at := range s.to {
			if s.how == done && r.counted[at][s.n] == 0 {
				missing++
			}
		}
	}
	return missing, r.arrived
}

func (r *record) counts() (sent, arrived int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sent), r.arrived
}

// span is how long it took from when the first message was due until the last was answered.
func (r *record) span() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var last moment
	for _, s := range r.sent {
		last = max(last, s.answered)
	}
	return time.Duration(last)
}

// tell judges the record: what was lost, what came twice, what came in another order, and what came that was never so sent.
func (r *record) tell(rep *StressReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep.Refusals = map[string]int{}
	byNumber := map[int]sending{}
	fault := func(format string, args ...any) {
		const most = 50
		if len(rep.Faults) < most {
			rep.Faults = append(rep.Faults, fmt.Sprintf(format, args...))
		}
	}
	for _, s := range r.sent {
		byNumber[s.n] = s
		switch s.how {
		case done:
			rep.Sent++
			rep.Latencies = append(rep.Latencies, time.Duration(s.answered-s.due))
			rep.Characters += int64(s.size)
		case unknown:
			rep.Unknown++
		default:
			rep.Refused++
			rep.Refusals[string(s.how)]++
		}
		if s.passed > 0 {
			rep.Refused += s.passed
			rep.Refusals["inbox_full"] += s.passed
		}
		for _, at := range s.to {
			switch times := r.counted[at][s.n]; {
			case s.how == done && times == 0:
				rep.Lost++
				fault("lost: message %d, as %d of conversation %d, was answered and did not come to agent %d", s.n, s.seq, s.room, at)
			case times > 0:
				if s.how == done {
					rep.Delivered++
				}
				rep.Duplicated += times - 1
				if times > 1 {
					fault("duplicated: message %d came to agent %d %d times", s.n, at, times)
				}
			}
		}
	}
	for at, all := range r.came {
		seen := map[int]bool{}
		newest := map[int]int64{} // by conversation
		for _, a := range all {
			s, known := byNumber[a.n]
			switch {
			case !known || !slices.Contains(s.to, at) || s.room != a.room:
				fault("stray: agent %d got message %d, which nobody sent it", at, a.n)
				continue
			case s.how != done && s.how != unknown:
				fault("stray: agent %d got message %d, which was refused: %s", at, a.n, s.how)
			case !a.intact:
				fault("changed: message %d came to agent %d with another text", a.n, at)
			case s.how == done && s.seq != a.seq:
				fault("changed: message %d was answered as %d of its conversation and came as %d", a.n, s.seq, a.seq)
			}
			if seen[a.n] {
				continue // told above
			}
			seen[a.n] = true
			if a.seq < newest[a.room] {
				rep.OutOfOrder++
			}
			newest[a.room] = max(newest[a.room], a.seq)
			rep.Wakes = append(rep.Wakes, time.Duration(a.at-s.due))
		}
	}
	rep.OutOfOrder += backwards(r.sent)
}

// backwards counts messages that have a number in their conversation below one that was answered before they were begun.
func backwards(sent []sending) (n int) {
	rooms := map[int][]sending{}
	for _, s := range sent {
		if s.how == done {
			rooms[s.room] = append(rooms[s.room], s)
		}
	}
	for _, byCall := range rooms {
		byAnswer := slices.Clone(byCall)
		slices.SortFunc(byAnswer, func(a, b sending) int { return int(a.answered - b.answered) })
		slices.SortFunc(byCall, func(a, b sending) int { return int(a.call - b.call) })
		var newest int64
		for _, s := range byCall {
			for len(byAnswer) > 0 && byAnswer[0].answered < s.call {
				newest = max(newest, byAnswer[0].seq)
				byAnswer = byAnswer[1:]
			}
			if s.seq < newest {
				n++
			}
		}
	}
	return n
}

// filler is what messages are made of. Where each begins in it depends on its number, so that no two are alike.
const filler = "The parser accepts trailing commas now; see the test beside it. Who has a free hand may look at the error texts next, " +
	"which name the column but not the line. The printer keeps comments where they were. Nothing else is waiting for this. "

// stressText is what the nth message says, in so many characters.
func stressText(n, size int) string {
	text := fmt.Sprintf("message %d of %d: ", n, size)
	for at := n * 7 % len(filler); len(text) < size; at = 0 {
		text += filler[at:]
	}
	text = strings.TrimRight(text[:max(size, strings.IndexByte(text, ':')+1)], " ")
	return text + strings.Repeat(".", max(0, size-len(text))) // an end that nobody would trim
}

// readStressText reads a message's number, and whether all of it is as it was sent; -1 where it is no such message.
func readStressText(text string) (n int, intact bool) {
	size := 0
	if _, err := fmt.Sscanf(text, "message %d of %d:", &n, &size); err != nil || size > mostSize {
		return -1, false
	}
	return n, text == stressText(n, size)
}
