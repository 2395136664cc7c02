package audit_test

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"agentbridge/internal/audit"
)

func TestStatement_OnlyWhatWasSignedOpens(t *testing.T) {
	signer, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	const kind, text = "example/v1", "example/v1\na line\n"
	signed, err := audit.SignStatement(signer, kind, text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := audit.OpenStatement(signed, kind, signer.Verifier()); err != nil || got != text {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, err := audit.OpenStatement(signed, kind, other.Verifier()); !errors.Is(err, audit.ErrOtherKey) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := audit.OpenStatement(signed, "example/v2", signer.Verifier()); err == nil {
		t.Error("it opens as another kind")
	}
	for i := range signed {
		for bit := range 8 {
			changed := bytes.Clone(signed)
			changed[i] ^= 1 << bit
			if got, err := audit.OpenStatement(changed, kind, signer.Verifier()); err == nil {
				t.Errorf("bit %d of byte %d changed, and it opens as %q", bit, i, got)
			}
		}
	}
	{ // a signature that nobody asked for
		line := signed[bytes.LastIndex(signed[:len(signed)-1], []byte("\n"))+1:]
		if _, err := audit.OpenStatement(append(bytes.Clone(signed), line...), kind, signer.Verifier()); err == nil {
			t.Error("it opens with a second signature")
		}
	}
}

func TestStatement_IsNoCheckpointAndNoCheckpointIsOne(t *testing.T) {
	signer, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	cp := audit.Checkpoint{Origin: audit.Origin(signer.Name(), "deployment"), Size: 1, Root: tlog.Hash{1}}
	note, err := cp.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.OpenStatement(note, cp.Origin, signer.Verifier()); err == nil {
		t.Error("a checkpoint opens as a statement")
	}
	for _, text := range []string{cp.Origin + "\n1\n" + cp.Root.String() + "\n", cp.Origin + "\n\n", cp.Origin + "\n", cp.Origin} {
		if _, err := audit.SignStatement(signer, cp.Origin, text); err == nil {
			t.Errorf("it signs %q", text)
		}
	}
}
