package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A statement is a text that a deployment's key signs beside checkpoints: C2SP signed-note, whose first line says what kind it is. No statement is a
// checkpoint and no checkpoint a statement, whatever the rest of it says, because the second line of one is a size.

// errStatement is of a text that no statement can be.
var errStatement = errors.New("not a statement of that kind")

// SignStatement signs a text of whole lines, the first of which is its kind. It refuses what a checkpoint could be taken for.
func SignStatement(s *Signer, kind, text string) ([]byte, error) {
	if err := isStatement(kind, text); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, s.note)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signed, nil
}

// OpenStatement gives the text of a statement of that kind that the key signed, and nobody else: of the same text there is one statement only, to the byte. The
// error is [ErrOtherKey] or [ErrBadSignature], or of a text that is no statement of that kind.
func OpenStatement(signed []byte, kind string, key *Verifier) (string, error) {
	n, err := note.Open(signed, note.VerifierList(key.note))
	if _, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		return "", fmt.Errorf("open: %w", ErrOtherKey)
	}
	if _, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return "", fmt.Errorf("open: %w", ErrBadSignature)
	}
	if err != nil {
		return "", fmt.Errorf("open: %w: %w", errStatement, err)
	}
	if err := isStatement(kind, n.Text); err != nil {
		return "", fmt.Errorf("open: %w", err)
	}
	if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return "", fmt.Errorf("open: %w: others signed it, too", errStatement)
	}
	// The last character has bits that mean nothing, which note does not look at; and it passes over a signature that is there twice.
	sig := n.Sigs[0]
	if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil || string(signed) != fmt.Sprintf("%s\n\u2014 %s %s\n", n.Text, sig.Name, sig.Base64) {
		return "", fmt.Errorf("open: %w", ErrBadSignature)
	}
	return n.Text, nil
}

func isStatement(kind, text string) error {
	first, rest, ok := strings.Cut(text, "\n")
	if !ok || kind == "" || first != kind || !strings.HasSuffix(text, "\n") {
		return fmt.Errorf("%w: its first line is not %q", errStatement, kind)
	}
	second, _, _ := strings.Cut(rest, "\n")
	if strings.Trim(second, "0123456789") == "" {
		return fmt.Errorf("%w: its second line could be that of a checkpoint", errStatement)
	}
	return nil
}
