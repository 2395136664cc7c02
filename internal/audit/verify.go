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

// Verify reads the records of a log in order and checks that each is an entry of that log, at its own position, that all of them
// hash to the head, and that the log was at each mark's size what the mark says. Its error is nil only if every check holds; it is
// [ErrBroken] where the records differ from what was logged, and the report says in which way; any other error is of the reading
// itself, and proves nothing.
//
// A head says that a record was changed, not which. Findings name a position where the records themselves give it away: one that
// is missing, doubled, moved, of another log or unreadable. A well-made forgery of one record shows only in the root, and one of the
// head as well only in a mark that was kept where the forger could not change it: between the last mark that fits and the first
// that does not lies what was changed. Marks may come in any order, thousands of them.
//
// It takes as much memory for a million records as for one, and keeps no record after asking for the next.
func Verify(log string, head Head, records iter.Seq2[[]byte, error], marks ...Mark) (Report, error) {
	v := verifier{Report: Report{Log: log}, marks: newMarks(marks)}
	if err := v.read(records); err != nil {
		return v.Report, err
	}
	return v.verdict("head", head.Size, head.Root())
}

// verifier gathers a report.
type verifier struct {
	Report
	marks marks
	next  int64 // the number that the next entry should have, judging by the one before
}

// read reads all records.
func (v *verifier) read(records iter.Seq2[[]byte, error]) error {
	var seen tree
	if v.marks.due(0) {
		v.marks.at(seen.Head, v.find)
	}
	for record, err := range records {
		if err != nil {
			v.Root = seen.Root()
			return fmt.Errorf("read entry %d of %s: %w", v.Size, v.Log, err)
		}
		v.entry(record)
		seen.append(record)
		v.Size = seen.Size
		if v.marks.due(v.Size) {
			v.marks.at(seen.Head, v.find)
		}
	}
	v.Root = seen.Root()
	return nil
}

// verdict compares all that was read with what should have been: with the log's head, or with another thing that says as much.
func (v *verifier) verdict(what string, size int64, root tlog.Hash) (Report, error) {
	switch {
	case v.Size != size:
		v.find("the log has %d entries, its %s says %d", v.Size, what, size)
	case v.Root != root:
		v.find("the entries do not hash to the %s", what)
	}
	v.marks.end(v.Size, v.find)
	return v.Report, v.broken()
}

// broken is the error that the findings amount to.
func (v *verifier) broken() error {
	if len(v.Findings) == 0 {
		return nil
	}
	return fmt.Errorf("verify %s: %w: %s", v.Log, ErrBroken, v.Findings[0])
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
