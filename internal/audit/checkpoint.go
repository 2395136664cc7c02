package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// What [OpenCheckpoint] says of a text that is not a checkpoint to rely on.
var (
	ErrNotCheckpoint = errors.New("not a checkpoint")
	ErrOtherKey      = errors.New("signed with another key")
	ErrBadSignature  = errors.New("the signature does not fit: the checkpoint was changed after it was signed")
)

// maxSize bounds the size of a log that is read from outside. No log gets there; the arithmetic of trees holds up to there.
const maxSize = 1 << 60

// Checkpoint says that a log had this size and root. Signed and kept elsewhere it shows later whether the log was rewritten.
type Checkpoint struct {
	Origin string // names the log among all others; see [Origin]
	Size   int64
	Root   tlog.Hash
}

// Origin is the origin of a log's checkpoints: the name of the key that signs them and the log's. One key so signs any number of
// logs, and a checkpoint of one cannot pass for that of another.
func Origin(keyName, log string) string { return keyName + "/" + log }

// body is the text that is signed.
func (c Checkpoint) body() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// Sign gives the checkpoint as C2SP tlog-checkpoint: the origin, the size and the root on three lines, an empty one, and the
// signature. The same checkpoint and key give the same bytes. Whoever signs a checkpoint that does not continue all those before it
// has forked the log, so look first.
func (c Checkpoint) Sign(s *Signer) ([]byte, error) {
	text := c.body()
	if got, err := parseBody(text); err != nil || got != c {
		return nil, fmt.Errorf("sign checkpoint of %q at %d: %w", c.Origin, c.Size, ErrNotCheckpoint)
	}
	signed, err := note.Sign(&note.Note{Text: text}, s.note)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of %q: %w", c.Origin, err)
	}
	return signed, nil
}

// OpenCheckpoint reads a signed checkpoint (C2SP tlog-checkpoint) that at least one of the keys signed. Signatures of other keys,
// such as those of witnesses, are allowed and prove nothing here; lines after the root are allowed and ignored. The error is
// [ErrNotCheckpoint], [ErrOtherKey] or [ErrBadSignature].
//
// It does not say of which log the checkpoint is: compare Origin with [Origin] of the log you mean.
func OpenCheckpoint(text []byte, keys ...*Verifier) (Checkpoint, error) {
	c, _, err := open(text, keys)
	return c, err
}

// open reads a checkpoint, and tells the names of the keys that signed it.
func open(text []byte, keys []*Verifier) (c Checkpoint, signed []string, err error) {
	var known []note.Verifier
	for i, k := range keys {
		// The same key twice would be ambiguous to note.
		if !slices.ContainsFunc(keys[:i], func(other *Verifier) bool { return other.public == k.public }) {
			known = append(known, k.note)
		}
	}
	n, err := note.Open(text, note.VerifierList(known...))
	if unknown, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		if _, err := parseBody(unknown.Note.Text); err != nil {
			return c, nil, err
		}
		var names []string
		for _, sig := range unknown.Note.UnverifiedSigs {
			names = append(names, fmt.Sprintf("%q", fmt.Sprintf("%s+%08x", sig.Name, sig.Hash)))
		}
		return c, nil, fmt.Errorf("open checkpoint: %w: %s", ErrOtherKey, strings.Join(names[:min(len(names), 4)], ", "))
	}
	if bad, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return c, nil, fmt.Errorf("open checkpoint: key %q: %w", fmt.Sprintf("%s+%08x", bad.Name, bad.Hash), ErrBadSignature)
	}
	if err != nil {
		return c, nil, fmt.Errorf("open checkpoint: %w: %w", ErrNotCheckpoint, err)
	}
	if c, err = parseBody(n.Text); err != nil {
		return c, nil, err
	}
	for _, sig := range n.Sigs {
		signed = append(signed, sig.Name)
	}
	return c, signed, nil
}

// parseBody reads the text of a checkpoint without its signatures.
func parseBody(text string) (Checkpoint, error) {
	bad := func(what string) (Checkpoint, error) {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w: %s", ErrNotCheckpoint, what)
	}
	lines := strings.Split(text, "\n") // the last is empty: a note's text ends with a newline
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return bad("it has fewer than three lines")
	}
	if slices.Contains(lines[:len(lines)-1], "") {
		return bad("it has an empty line")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > maxSize || strconv.FormatInt(size, 10) != lines[1] {
		return bad("its second line is not a size")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return bad("its third line is not a root")
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}, nil
}

// logOf tells the log that a checkpoint is of, if its origin is one of the keys that signed it; "" otherwise.
func (c Checkpoint) logOf(signed []string) string {
	for _, name := range signed {
		if log, ok := strings.CutPrefix(c.Origin, Origin(name, "")); ok {
			return log
		}
	}
	return ""
}
