package bridge

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"agentbridge/internal/audit"
)

// Keep runs change alone among all processes on what is kept outside the store, and keeps what it returns; nothing is written where
// that is nil. Kept is nil where there is nothing yet. What change returns is kept whole or not at all.
type Keep func(ctx context.Context, change func(kept []byte) (next []byte, err error)) error

// witness is what this process knows of the deployment's log from before: the newest head that it saw. The store cannot take it back.
type witness struct {
	keep Keep // nil: in this process only

	mu   sync.Mutex // guards all below
	raw  []byte     // the newest head that was seen to continue all before it; nil: none yet
	told string     // what was last said of the kept file, so that it is said once

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
	if w.raw != nil && w.fork.Load() == nil {
		same := false
		err := s.store.View(ctx, func(tx Tx) error {
			raw, err := tx.Meta(metaHead)
			same = bytes.Equal(raw, w.raw)
			return err
		})
		if same || err != nil && !errors.Is(err, NotFound) {
			return err
		}
	}
	// What is kept before what is there: of an older view a newer head would seem to be cut off.
	kept, there, err := s.keptHead(ctx)
	if errors.Is(err, errKept) {
		if w.told != err.Error() {
			w.told = err.Error()
			s.log.Error("audit witness", "error", err)
		}
	} else if err != nil {
		return err
	}
	unreadable := err != nil
	var mine audit.Head
	if w.raw != nil {
		if mine, err = readHead(w.raw); err != nil {
			return err
		}
	}
	var now audit.Head
	var found *Fork
	err = s.store.View(ctx, func(tx Tx) (err error) {
		found = nil
		if now, err = deploymentHead(tx); err != nil {
			return err
		}
		before := kept
		ok, err := continues(tx, kept, now)
		if ok && err == nil {
			before = mine
			ok, err = continues(tx, mine, now)
			if !ok && err == nil && there {
				ok, err = restarted(tx) // a person accepted it in another process, which kept another head
			}
		}
		if err != nil {
			return err
		}
		if !ok {
			found = &Fork{At: tx.Now(), Kept: rootText(before.Size, before.Root()), Found: rootText(now.Size, now.Root())}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if found != nil {
		return s.report(ctx, *found)
	}
	w.fork.Store(nil)
	if w.raw, err = now.MarshalBinary(); err != nil || unreadable {
		return err
	}
	return s.keepHead(ctx, now, kept)
}

// keepHead keeps a head that was seen to continue the one that is kept, unless another process moved on meanwhile: then the next
// pass looks again.
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
		return text, nil
	})
}

// restart keeps the head that is there now, whatever was kept before.
func (s *Service) restart(ctx context.Context) error {
	w := &s.witness
	var now audit.Head
	err := s.store.View(ctx, func(tx Tx) (err error) {
		now, err = deploymentHead(tx)
		return err
	})
	if err != nil {
		return err
	}
	if w.raw, err = now.MarshalBinary(); err != nil || w.keep == nil {
		return err
	}
	text, err := s.keptText(now)
	if err != nil {
		return err
	}
	return w.keep(ctx, func([]byte) ([]byte, error) { return text, nil })
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

// restarted reports whether a person ever accepted a log that did not continue the one before.
func restarted(tx Tx) (bool, error) {
	for from := int64(0); ; from += historyPage {
		page, err := tx.Entries(DeploymentLog, from, historyPage)
		if err != nil {
			return false, err
		}
		for _, e := range page {
			if e.Action == actionRestart {
				return true, nil
			}
		}
		if len(page) < historyPage {
			return false, nil
		}
	}
}
