package bridge

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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

// metaTold says that growth is noted of all logs whose head was not told, also of those that did not grow since there are such notes.
const metaTold = "heads_all"

// tellHeads writes down in the deployment's log which heads the logs have that grew. From then on a conversation's log cannot be
// written anew, not even together with its head, without the deployment's log showing it.
func (s *Service) tellHeads(ctx context.Context) error {
	due, all := false, false
	err := s.store.View(ctx, func(tx Tx) (err error) {
		if all, err = toldAll(tx); err == nil {
			due, err = headsDue(tx)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !all {
		if err := s.store.Update(ctx, Deployment, noteAll); err != nil {
			return err
		}
	} else if !due {
		return nil
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

// noteAll notes growth of every log that there is, once in a store. One that grows meanwhile is told no less.
func noteAll(tx Tx) error {
	if all, err := toldAll(tx); err != nil || all {
		return err // another process was first
	}
	rows, err := tx.Conversations()
	if err != nil {
		return err
	}
	for _, c := range rows {
		if h, err := readHead(c.Head); err == nil && h.Size > 0 {
			if err := tx.PutGrown(Grown{Conversation: c.ID, Size: h.Size}); err != nil {
				return err
			}
		}
	}
	return tx.PutMeta(metaTold, nil)
}

// toldAll reports whether growth is noted of all logs.
func toldAll(tx Tx) (bool, error) {
	_, err := tx.Meta(metaTold)
	if errors.Is(err, NotFound) {
		return false, nil
	}
	return err == nil, err
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
	return more, tell(tx, grown)
}

// tellAll tells the head of every conversation's log that is not the last one that was told of it, whatever is noted of growth: who
// can write the database can take such notes away. Telling a head twice harms nothing.
func (s *Service) tellAll(ctx context.Context, told map[string][]toldHead) (some bool, err error) {
	var list []Grown
	err = s.store.View(ctx, func(tx Tx) error {
		list = nil
		rows, err := tx.Conversations()
		for _, c := range rows {
			h, err := readHead(c.Head)
			if err != nil || h.Size == 0 { // verification finds what cannot be read
				continue
			}
			if t := told[string(c.ID)]; len(t) == 0 || t[len(t)-1].size != h.Size || t[len(t)-1].root != h.Root() {
				list = append(list, Grown{Conversation: c.ID, Size: h.Size})
			}
		}
		return err
	})
	for turn := range slices.Chunk(list, headsTurn) {
		if err == nil {
			err = s.store.Update(ctx, Deployment, func(tx Tx) error { return tell(tx, turn) })
		}
	}
	return len(list) > 0, err
}

// tell writes down the heads of these logs, and that they are told.
func tell(tx Tx, grown []Grown) error {
	for leafed := range slices.Chunk(grown, headsLeaf) {
		leaf := facts{}
		for _, g := range leafed {
			c, err := tx.Conversation(g.Conversation)
			if errors.Is(err, NotFound) { // deleted by hand; an entry that was told before shows it
				if err := tx.DropGrown(g); err != nil {
					return err
				}
				continue
			}
			if err != nil {
				return err
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
				return err
			}
		}
		if len(leaf) == 0 {
			continue
		}
		if err := recordDeployment(tx, ProgramName, actionHeads, "", leaf); err != nil {
			return err
		}
	}
	return tx.PutMeta(metaHeads, binary.BigEndian.AppendUint64(nil, uint64(tx.Now().UnixMicro())))
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
