package audit

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrBroken is what [Verify] returns of a log that is not the one its head was made from.
var ErrBroken = errors.New("the log does not verify")

// maxFindings is how many findings a report spells out; one edit to a log can make thousands.
const maxFindings = 20

// Report is what a verification saw.
type Report struct {
	Log         string
	Size        int64     // how many records were read
	Root        tlog.Hash // the root that they hash to
	First, Last time.Time // the times of the first and the last entry that could be read; zero if there is none
	StepsBack   int64     // how many entries are earlier than the one before: a clock was set back, which is no finding
	Findings    []string  // what is wrong, in order, at most 20; none if the log verifies
	Unlisted    int64     // how many findings more there were
}

// Verify reads the records of a log in order and checks that each is an entry of that log, at its own position, and that all of
// them hash to the head. Its error is nil only if every check holds; it is [ErrBroken] where the records differ from what was
// logged, and the report says in which way; any other error is of the reading itself, and proves nothing.
//
// A head says that a record was changed, not which. Findings name a position where the records themselves give it away: one that
// is missing, doubled, moved, of another log or unreadable. A well-made forgery of one record shows only in the root.
//
// It takes as much memory for a million records as for one, and keeps no record after asking for the next.
func Verify(log string, head Head, records iter.Seq2[[]byte, error]) (Report, error) {
	v := verifier{Report: Report{Log: log}}
	var seen Head
	for record, err := range records {
		if err != nil {
			v.Root = seen.Root()
			return v.Report, fmt.Errorf("read entry %d of %s: %w", v.Size, log, err)
		}
		v.entry(record)
		seen = seen.Append(record)
		v.Size = seen.Size
	}
	v.Root = seen.Root()
	switch {
	case v.Size != head.Size:
		v.find("the log has %d entries, its head says %d", v.Size, head.Size)
	case v.Root != head.Root():
		v.find("the entries do not hash to the head")
	}
	if len(v.Findings) > 0 {
		return v.Report, fmt.Errorf("verify %s: %w: %s", log, ErrBroken, v.Findings[0])
	}
	return v.Report, nil
}

// verifier gathers a report.
type verifier struct {
	Report
	next int64 // the number that the next entry should have, judging by the one before
}

// entry checks one record by itself and against the one before.
func (v *verifier) entry(record []byte) {
	n := v.next
	v.next++
	e, err := ParseRecord(record)
	if err != nil {
		v.find("entry %d cannot be read: %v", v.Size, err)
		return
	}
	if e.Log != v.Log {
		v.find("entry %d belongs to another log, %q", v.Size, e.Log)
	}
	if e.N != n {
		v.find("entry %d stands where number %d should be", e.N, n)
		v.next = e.N + 1 // count on from here, so that one gap is one finding
	}
	if v.First.IsZero() {
		v.First = e.At
	} else if e.At.Before(v.Last) {
		v.StepsBack++
	}
	v.Last = e.At
}

func (v *verifier) find(format string, args ...any) {
	if len(v.Findings) == maxFindings {
		v.Unlisted++
		return
	}
	v.Findings = append(v.Findings, fmt.Sprintf(format, args...))
}
