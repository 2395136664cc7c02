package bridge

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/audit"
)

// actionHeads is the action of an entry of the deployment's log that tells the heads of conversations' logs: by conversation, the
// size and the root. doc/decisions/0017-checkpoints.md says why.
const actionHeads = "heads"

// unreadableHead is what is told of a head that cannot be read.
const unreadableHead = "unreadable"

// Bounds of telling heads.
const (
	headsEvery = 3 * time.Second // not sooner than so long after the last time, however many processes sweep
	headsLeaf  = 40              // conversations an entry names
	headsTurn  = 200             // conversations an update looks at: a turn of some milliseconds
	headsPass  = 1000            // conversations a pass looks at; the next pass goes on
)

// metaHeads is when heads were last told.
const metaHeads = "heads"

// tellHeads writes down in the deployment's log which heads the logs have that grew. From then on a conversation's log cannot be
// written anew, not even together with its head, without the deployment's log showing it.
func (s *Service) tellHeads(ctx context.Context) error {
	due := false
	err := s.store.View(ctx, func(tx Tx) (err error) {
		due, err = headsDue(tx)
		return err
	})
	if err != nil || !due {
		return err
	}
	for left := headsPass; left > 0; left -= headsTurn {
		more, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) (more bool, err error) {
			// Another process may have been faster; only the first turn of a pass can be too soon.
			if due, err := headsDue(tx); left == headsPass && (err != nil || !due) {
				return false, err
			}
			return tellGrown(tx)
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// headsDue reports whether a log grew, and heads were not told just now.
func headsDue(tx Tx) (bool, error) {
	grown, err := tx.Grown(1)
	if err != nil || len(grown) == 0 {
		return false, err
	}
	raw, err := tx.Meta(metaHeads)
	if errors.Is(err, NotFound) {
		return true, nil
	}
	if err != nil || len(raw) != 8 {
		return true, err
	}
	ago := tx.Now().Sub(time.UnixMicro(int64(binary.BigEndian.Uint64(raw))))
	return ago >= headsEvery || ago < 0, nil
}

// tellGrown tells one turn of heads, and whether there are more.
func tellGrown(tx Tx) (more bool, err error) {
	grown, err := tx.Grown(headsTurn + 1)
	if err != nil {
		return false, err
	}
	if more = len(grown) > headsTurn; more {
		grown = grown[:headsTurn]
	}
	for len(grown) > 0 {
		leaf := facts{}
		for _, g := range grown[:min(len(grown), headsLeaf)] {
			c, err := tx.Conversation(g.Conversation)
			if errors.Is(err, NotFound) { // deleted by hand; an entry that was told before shows it
				if err := tx.DropGrown(g); err != nil {
					return false, err
				}
				continue
			}
			if err != nil {
				return false, err
			}
			head, err := readHead(c.Head)
			if err != nil {
				// It would stop the telling of all others. Verification finds it.
				leaf[string(c.ID)] = unreadableHead
			} else {
				leaf[string(c.ID)] = rootText(head.Size, head.Root())
				g.Size = max(g.Size, head.Size) // the head may have grown on since
			}
			if err := tx.DropGrown(g); err != nil {
				return false, err
			}
		}
		grown = grown[min(len(grown), headsLeaf):]
		if len(leaf) == 0 {
			continue
		}
		if err := recordDeployment(tx, ProgramName, actionHeads, "", leaf); err != nil {
			return false, err
		}
	}
	return more, tx.PutMeta(metaHeads, binary.BigEndian.AppendUint64(nil, uint64(tx.Now().UnixMicro())))
}

// rootText is how a fact names a head: its size and its root, as a checkpoint has them.
func rootText(size int64, root [32]byte) string {
	return strconv.FormatInt(size, 10) + " " + base64.StdEncoding.EncodeToString(root[:])
}

// parseRoot reads what rootText wrote.
func parseRoot(text string) (size int64, root [32]byte, err error) {
	number, encoded, _ := strings.Cut(text, " ")
	size, err = strconv.ParseInt(number, 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != number {
		return 0, root, fmt.Errorf("%q is no size and root", text)
	}
	hash, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(hash) != len(root) {
		return 0, root, fmt.Errorf("%q is no size and root", text)
	}
	return size, [32]byte(hash), nil
}

// readHead reads a head as a store keeps it.
func readHead(raw []byte) (h audit.Head, err error) { return h, h.UnmarshalBinary(raw) }
