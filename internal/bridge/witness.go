package bridge

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/audit"
)

// Keep runs change alone among all processes on what is kept outside the store, and keeps what it returns; nothing is written where
// that is nil. Kept is nil where there is nothing yet. What change returns is kept whole or not at all.
type Keep func(ctx context.Context, change func(kept []byte) (next []byte, err error)) error

// witness is what this process knows of the deployment's log from before: the newest head that it saw. The store cannot take it back.
type witness struct {
	keep Keep // nil: in this process only

	mu  sync.Mutex // guards all below
	raw []byte     // the newest head that was seen to continue all before it; nil: none yet
	at  time.Time  // when that was read, by the store's clock

	raised bool // everybody was told of fork

	fork atomic.Pointer[Fork] // what was found and not accepted; nil: none. Changed under mu
}

// errKept says that what is kept cannot be read.
var errKept = errors.New("what is kept of the audit log cannot be read")

// follow looks whether the deployment's log still continues what was seen before, by reading what is new, and reports a fork. While
// the log did not grow it costs one small read.
func (s *Service) follow(ctx context.Context) error {
	w := &s.witness
	w.mu.Lock()
	defer w.mu.Unlock()
	same := false
	var began audit.Head
	err := s.store.View(ctx, func(tx Tx) error {
		raw, err := tx.Meta(metaHead)
		if same = w.raw != nil && bytes.Equal(raw, w.raw); err == nil {
			began, err = readHead(raw)
		}
		return err
	})
	if err != nil && !errors.Is(err, NotFound) || same && w.fork.Load() == nil {
		return err
	}
	// What is kept before what is there: of an older view a newer head would seem to be cut off.
	kept, there, broken := s.keptHead(ctx)
	if broken != nil && !errors.Is(broken, errKept) {
		return broken
	}
	var mine audit.Head
	if w.raw != nil {
		if mine, err = readHead(w.raw); err != nil {
			return err
		}
	}
	var now audit.Head
	var at time.Time
	var found *Fork
	accepted := false
	err = s.store.View(ctx, func(tx Tx) (err error) {
		found, accepted, at = nil, false, tx.Now()
		if now, err = deploymentHead(tx); err != nil {
			return err
		}
		known, ok := "", true
		for _, before := range []audit.Head{kept, mine} {
			if ok, err = continues(tx, before, now); err != nil {
				return err
			}
			if known = rootText(before.Size, before.Root()); !ok {
				break
			}
		}
		if broken != nil && ok {
			known, ok = unreadableHead, false
		}
		if ok {
			return nil
		}
		found = &Fork{At: at, Kept: known, Found: rootText(now.Size, now.Root())}
		restart, err := restarted(tx, 0)
		if err != nil {
			return err
		}
		since, err := restarted(tx, began.Size)
		if err != nil {
			return err
		}
		accepted = !since.IsZero() // while this looked: what it read is not kept any more
		if there && broken == nil && restart.After(w.at) {
			// A person accepted it since this process saw its own. One that it had seen says nothing of what came after.
			if ok, err = continues(tx, kept, now); ok {
				found = nil
			}
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case found != nil && accepted:
		return nil // the next pass looks again
	case found != nil:
		return s.report(ctx, *found, now.Size)
	}
	w.fork.Store(nil)
	if w.raw, err = now.MarshalBinary(); err != nil {
		return err
	}
	w.at = at
	return s.keepHead(ctx, now, kept)
}

// keepHead keeps a head that was seen to continue the one that is kept, unless another process moved on meanwhile: then the next
// pass looks again. While a fork stands nothing is kept, or taking away what is kept would heal it.
func (s *Service) keepHead(ctx context.Context, now, before audit.Head) error {
	if s.witness.keep == nil || s.signer == nil || now.Size <= before.Size {
		return nil
	}
	text, err := s.keptText(now)
	if err != nil {
		return err
	}
	return s.witness.keep(ctx, func(kept []byte) ([]byte, error) {
		if h, err := parseKept(kept); kept != nil && (err != nil || h.Size != before.Size || h.Root() != before.Root()) {
			return nil, nil
		}
		if forked, err := s.Forked(ctx); err != nil || forked != nil {
			return nil, err
		}
		return text, s.missed(ctx, kept == nil, now)
	})
}

// keptText is a head as it is kept: a line with all of it, so that it can be followed by reading only what is new, and below it the
// signed checkpoint, which says the same to people and other programs.
func (s *Service) keptText(h audit.Head) ([]byte, error) {
	raw, err := h.MarshalBinary()
	if err != nil {
		return nil, err
	}
	note, err := s.sign(DeploymentLog, h.Size, h.Root())
	return fmt.Appendf(nil, "%s\n%s", base64.StdEncoding.EncodeToString(raw), note), err
}

// parseKept reads the head of what keptText wrote.
func parseKept(text []byte) (audit.Head, error) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	raw, err := base64.StdEncoding.DecodeString(string(line))
	if err == nil {
		var h audit.Head
		if h, err = readHead(raw); err == nil {
			return h, nil
		}
	}
	return audit.Head{}, fmt.Errorf("%w: %w", errKept, err)
}

// keptHead gives the head that is kept outside the store, and whether there is one.
func (s *Service) keptHead(ctx context.Context) (h audit.Head, there bool, err error) {
	if s.witness.keep == nil {
		return h, false, nil
	}
	err = s.witness.keep(ctx, func(kept []byte) (_ []byte, err error) {
		if there = kept != nil; there {
			h, err = parseKept(kept)
		}
		return nil, err
	})
	return h, there, err
}

// deploymentHead is the head of the deployment's log; the empty one where it has none.
func deploymentHead(tx Tx) (audit.Head, error) {
	raw, err := tx.Meta(metaHead)
	if errors.Is(err, NotFound) {
		return audit.Head{}, nil
	}
	if err != nil {
		return audit.Head{}, err
	}
	return readHead(raw)
}

// continues reports whether the deployment's log grew from one head to the other, and to nothing else.
func continues(tx Tx, before, now audit.Head) (bool, error) {
	if before.Size == 0 {
		return true, nil // as every log does; whether it is its head's is for verification to say
	}
	err := before.Follow(now, entries(tx, DeploymentLog, before.Size))
	if errors.Is(err, audit.ErrBroken) {
		return false, nil
	}
	return err == nil, err
}

// restarted gives when a person last accepted a log that did not continue the one before, as the entries from a position on tell;
// zero: never.
func restarted(tx Tx, from int64) (at time.Time, err error) {
	for ; ; from += historyPage {
		page, err := tx.Entries(DeploymentLog, from, historyPage)
		if err != nil {
			return at, err
		}
		for _, e := range page {
			if e.Action == actionRestart {
				at = e.At
			}
		}
		if len(page) < historyPage {
			return at, nil
		}
	}
}
