package audit

import (
	"fmt"
	"iter"
)

// Follow checks that a log which had the head h has grown to the head now, and nothing else: records are its records from h.Size on.
// Its error is [ErrBroken] where it has not, and says whether the log is shorter or another; any other error is of the reading.
//
// This is what a witness does who kept h where the log's owner could not change it: it reads only what is new, and finds every
// change to what it saw before, however well it was made. Records after now are not read.
func (h Head) Follow(now Head, records iter.Seq2[[]byte, error]) error {
	broken := func(format string, args ...any) error {
		return fmt.Errorf("follow the log: %w: "+format, append([]any{ErrBroken}, args...)...)
	}
	if now.Size < h.Size {
		return broken("it was truncated or rolled back: it had %d entries, and has %d", h.Size, now.Size)
	}
	t := tree{Head: h.clone()}
	if t.Size < now.Size {
		for record, err := range records {
			if err != nil {
				return fmt.Errorf("read entry %d: %w", t.Size, err)
			}
			if t.append(record); t.Size == now.Size {
				break
			}
		}
	}
	switch {
	case t.Size < now.Size:
		return broken("its head says %d entries, and those from %d on are missing", now.Size, t.Size)
	case t.Root() != now.Root() && h.Size == now.Size:
		return broken("it was forked: there is another log of the same %d entries", h.Size)
	case t.Root() != now.Root():
		return broken("it was forked: the %d entries it has do not continue the %d it had", now.Size, h.Size)
	}
	return nil
}
