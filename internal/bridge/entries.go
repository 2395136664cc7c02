package bridge

import (
	"cmp"
	"container/heap"
	"context"
	"slices"

	"agentbridge/internal/audit"
)

// entriesHeld is about how many entries of all logs are in memory at a time; entriesLeast so many of each at least.
const (
	entriesHeld  = 4000
	entriesLeast = 16
)

// AuditEntries gives the entries that the filter chooses, in the order of their times. It holds them all: see [Service.AuditEach].
func (s *Service) AuditEntries(ctx context.Context, f AuditFilter) ([]AuditLine, error) {
	lines := []AuditLine{}
	err := s.AuditEach(ctx, f, func(l AuditLine) error {
		lines = append(lines, l)
		return nil
	})
	return lines, err
}

// AuditEach calls emit for each entry that the filter chooses, in the order of their times, and of one log in that of their numbers.
// It holds a few thousand entries at a time, and those that f.Last asks for. Entries that are logged meanwhile may be missing.
func (s *Service) AuditEach(ctx context.Context, f AuditFilter, emit func(AuditLine) error) error {
	logs, err := s.logs(ctx, f.Conversation)
	if err != nil {
		return err
	}
	var last []AuditLine // a ring, once it is full
	n := 0
	choose := emit
	if f.Last > 0 {
		choose = func(l AuditLine) error {
			if len(last) < f.Last {
				last = append(last, l)
			} else {
				last[n%f.Last] = l
			}
			n++
			return nil
		}
	}
	size := min(max(entriesHeld/max(len(logs), 1), entriesLeast), historyPage)
	var row merging
	for _, log := range logs {
		r := &reading{s: s, log: log, size: size}
		if more, err := r.step(ctx, f); err != nil {
			return err
		} else if more {
			row = append(row, r)
		}
	}
	heap.Init(&row)
	for len(row) > 0 {
		r := row[0]
		if err := choose(r.line); err != nil {
			return err
		}
		switch more, err := r.step(ctx, f); {
		case err != nil:
			return err
		case more:
			heap.Fix(&row, 0)
		default:
			heap.Pop(&row)
		}
	}
	if len(last) > 0 {
		first := n % len(last)
		if n < f.Last {
			first = 0
		}
		for i := range last {
			if err := emit(last[(first+i)%len(last)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// takes reports whether the filter chooses an entry.
func (f AuditFilter) takes(e audit.Entry) bool {
	return (f.Agent == "" || e.Actor == f.Agent) && (len(f.Actions) == 0 || slices.Contains(f.Actions, e.Action)) &&
		(f.Subject == "" || e.Subject == f.Subject) && !e.At.Before(f.Since) && (f.Until.IsZero() || e.At.Before(f.Until))
}

// reading is a log that is being read, page by page.
type reading struct {
	s    *Service
	log  string
	size int // of a page

	next int64 // where the next page begins
	page []LogEntry
	over bool // the page is the last
	line AuditLine
}

// step moves on to the next entry that the filter chooses, and reports whether there is one.
func (r *reading) step(ctx context.Context, f AuditFilter) (bool, error) {
	for {
		for len(r.page) > 0 {
			record := r.page[0].Record
			r.next, r.page = r.page[0].N+1, r.page[1:]
			e, err := audit.ParseRecord(record)
			if err != nil {
				return false, Errorf(Internal, "log %s holds a record that does not parse", r.log).WithHint("run agentbridge audit verify")
			}
			if f.takes(e) {
				r.line = AuditLine{e.Log, e.N, e.At, e.Actor, e.Action, e.Subject, e.Facts}
				return true, nil
			}
		}
		if r.over {
			return false, nil
		}
		err := r.s.store.View(ctx, func(tx Tx) (err error) {
			r.page, err = tx.Entries(r.log, r.next, r.size)
			return err
		})
		if err != nil {
			return false, err
		}
		r.over = len(r.page) < r.size
	}
}

// merging is a heap of logs, by the time of their next line.
type merging []*reading

func (m merging) Len() int      { return len(m) }
func (m merging) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merging) Push(x any)   { *m = append(*m, x.(*reading)) }
func (m *merging) Pop() any {
	last := len(*m) - 1
	r := (*m)[last]
	*m = (*m)[:last]
	return r
}

func (m merging) Less(i, j int) bool {
	a, b := m[i].line, m[j].line
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Log, b.Log), cmp.Compare(a.N, b.N)) < 0
}
