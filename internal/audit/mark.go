package audit

import (
	"cmp"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Mark is what somebody knows of a log from elsewhere: that at this size it had this root.
type Mark struct {
	Size int64
	Root tlog.Hash
	From string // who says so, in words, such as "checkpoint 2 of anchor.txt"
}

// marks are compared with a log while it is read.
type marks struct {
	left []Mark // by size
	last Mark   // the largest that fitted
}

func newMarks(given []Mark) marks {
	left := slices.Clone(given)
	slices.SortStableFunc(left, func(a, b Mark) int { return cmp.Compare(a.Size, b.Size) })
	return marks{left: left}
}

// due reports whether something is known of a log of this size.
func (m *marks) due(size int64) bool { return len(m.left) > 0 && m.left[0].Size <= size }

// at compares what is known of a log of the head's size.
func (m *marks) at(h Head, find func(format string, args ...any)) {
	root := h.Root()
	for m.due(h.Size) {
		mark := m.left[0]
		m.left = m.left[1:]
		switch {
		case mark.Size < h.Size:
			find("%s says %d entries, which no log has", mark.From, mark.Size)
		case mark.Root == root:
			m.last = mark
		case mark.Size == 0:
			find("%s says another root of no entries than there can be", mark.From)
		case m.last.Size > 0:
			find("history before entry %d was changed after %s; the first %d entries are as %s says", mark.Size, mark.From, m.last.Size, m.last.From)
		default:
			find("history before entry %d was changed after %s", mark.Size, mark.From)
		}
	}
}

// end tells of what is known of a longer log.
func (m *marks) end(size int64, find func(format string, args ...any)) {
	for _, mark := range m.left {
		find("truncated or rolled back: %s says %d entries, the log has %d", mark.From, mark.Size, size)
	}
}
