package workload

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// What is known of the audit log after a run.
const (
	Intact    = "ok"        // every log verifies
	Broken    = "broken"    // one does not: [StressReport.Faults] says which
	Unchecked = "unchecked" // the log is a hub's; it is verified there
)

// StressReport is what came of a run, by the clients' records. As JSON it is what its MarshalJSON says, and no more.
type StressReport struct {
	Plan        StressPlan // as it was carried out, with its defaults
	Interrupted bool

	Sent       int            // messages that were answered as stored
	Delivered  int            // copies of them that came to those whom they were for
	Lost       int            // copies that never came
	Duplicated int            // copies that came again after they had come
	OutOfOrder int            // messages that came, or were numbered, before one that came before them
	Refused    int            // messages that were refused, and copies for which there was no room
	Refusals   map[string]int // those, by the code of the refusal
	Unknown    int            // messages whose outcome nobody knows
	Backlog    int            // messages that were due and not begun when it was interrupted
	Reads      int            // answers to check_messages
	Characters int64          // of the messages in Sent

	Latencies Sample        // of Sent, from when each was due
	Wakes     Sample        // of Delivered, from when the message was due until it came
	Span      time.Duration // from when the first was due until the last was answered

	Integrity     string // of the log: Intact, Broken or Unchecked
	AuditEntries  int64
	EmptyBytes    int64       // of the database, before the first message
	DatabaseBytes int64       // at the end
	Fsync         Sample      // of one page on the same disk, before the run; none where the disk is a hub's
	Pings         Sample      // round trips of calls that ask for nothing over the same kind of pipe, before the run; none over HTTP
	Memory        []MemoryAt  // of the run's own hub
	Saturation    *Saturation // nil: not measured
	Faults        []string    // what was not as it must be, some of each kind
}

// MemoryAt is a hub's resident memory, in bytes, so long after the load began.
type MemoryAt struct {
	At  time.Duration
	RSS int64
}

// Kept reports whether everything that was promised was kept: nothing lost, nothing twice, nothing out of order, a log that verifies where it is here,
// and no other fault. Refusals break no promise.
func (r StressReport) Kept() bool {
	return r.Lost+r.Duplicated+r.OutOfOrder+r.Unknown+len(r.Faults) == 0 && r.Integrity != Broken
}

// Throughput is messages stored a second.
func (r StressReport) Throughput() float64 {
	if r.Span <= 0 {
		return 0
	}
	return float64(r.Sent) / r.Span.Seconds()
}

// PerMessage is how many bytes the database grew for each message.
func (r StressReport) PerMessage() float64 {
	if r.Sent == 0 {
		return 0
	}
	return float64(r.DatabaseBytes-r.EmptyBytes) / float64(r.Sent)
}

// Spread describes a sample.
type Spread struct{ Min, Mean, Deviation, P50, P99, Max time.Duration }

// Spread is zero for an empty sample. Deviation is that of the whole sample, not an estimate from a part.
func (s Sample) Spread() (d Spread) {
	if len(s) == 0 {
		return d
	}
	var sum, squares float64
	for _, v := range s {
		sum += float64(v)
	}
	mean := sum / float64(len(s))
	for _, v := range s {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	return Spread{
		Min: slices.Min(s), Max: slices.Max(s), P50: s.At(.5), P99: s.At(.99),
		Mean: time.Duration(mean), Deviation: time.Duration(math.Sqrt(squares / float64(len(s)))),
	}
}

// milliseconds to a thousandth.
func milliseconds(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

// MarshalJSON gives the figures. Latencies are in milliseconds; throughput is in messages a second. audit_entries and database_bytes are null where
// they are a hub's.
func (r StressReport) MarshalJSON() ([]byte, error) {
	type latency struct {
		Min    float64 `json:"min"`
		Mean   float64 `json:"mean"`
		Stddev float64 `json:"stddev"`
		P50    float64 `json:"p50"`
		P99    float64 `json:"p99"`
		Max    float64 `json:"max"`
	}
	l := r.Latencies.Spread()
	here := func(n int64) *int64 {
		if r.Integrity == Unchecked {
			return nil
		}
		return &n
	}
	return json.Marshal(struct {
		Sent          int     `json:"sent"`
		Delivered     int     `json:"delivered"`
		Lost          int     `json:"lost"`
		Duplicated    int     `json:"duplicated"`
		OutOfOrder    int     `json:"out_of_order"`
		Refused       int     `json:"refused"`
		Reads         int     `json:"reads"`
		Latency       latency `json:"latency_ms"`
		Throughput    float64 `json:"throughput"`
		Integrity     string  `json:"integrity"`
		AuditEntries  *int64  `json:"audit_entries"`
		DatabaseBytes *int64  `json:"database_bytes"`
	}{
		r.Sent, r.Delivered, r.Lost, r.Duplicated, r.OutOfOrder, r.Refused, r.Reads,
		latency{milliseconds(l.Min), milliseconds(l.Mean), milliseconds(l.Deviation), milliseconds(l.P50), milliseconds(l.P99), milliseconds(l.Max)},
		math.Round(r.Throughput()*100) / 100, r.Integrity, here(r.AuditEntries), here(r.DatabaseBytes),
	})
}
