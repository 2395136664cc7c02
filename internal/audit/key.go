package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Signer is the private key that signs the checkpoints of a deployment's logs: Ed25519, in the encoding of C2SP signed-note.
// Printing one shows its name; only Private gives the key.
type Signer struct {
	note     note.Signer
	private  string
	verifier *Verifier
}

// NewKey makes a key. Its name is "agentbridge/" and 8 random hex digits, so that checkpoints of two deployments are told apart.
func NewKey() (*Signer, error) {
	var id [4]byte
	rand.Read(id[:]) // never fails
	private, _, err := note.GenerateKey(rand.Reader, "agentbridge/"+hex.EncodeToString(id[:]))
	if err != nil {
		return nil, fmt.Errorf("make audit key: %w", err)
	}
	return ParseSigner(private)
}

// ParseSigner reads what [Signer.Private] gave. Its error never shows any of the text.
func ParseSigner(private string) (*Signer, error) {
	s, err := note.NewSigner(private)
	if err != nil {
		return nil, errors.New("read audit key: it is not one line PRIVATE+KEY+NAME+ID+KEY, or is damaged")
	}
	// It was good, so it has five parts; the last, in which a plus sign means nothing, is the algorithm and the seed.
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(private, "+", 5)[4])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return nil, errors.New("read audit key: it is damaged")
	}
	public, err := note.NewEd25519VerifierKey(s.Name(), ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("read audit key: %w", err)
	}
	v, err := ParseVerifier(public)
	if err != nil {
		return nil, err
	}
	return &Signer{note: s, private: private, verifier: v}, nil
}

// Name is the key's name, which every checkpoint's origin begins with.
func (s *Signer) Name() string { return s.note.Name() }

// Private is the key itself, on one line, for whoever keeps it.
func (s *Signer) Private() string { return s.private }

// Verifier is the public half.
func (s *Signer) Verifier() *Verifier { return s.verifier }

// String is the key's name, so that a key that is printed is not given away.
func (s *Signer) String() string { return s.Name() }

// Verifier is a public key: with it anybody can check what its [Signer] signed.
type Verifier struct {
	note   note.Verifier
	public string
}

// ParseVerifier reads a public key as [Verifier.String] writes it: NAME+ID+KEY, as in C2SP signed-note.
func ParseVerifier(public string) (*Verifier, error) {
	v, err := note.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("read public audit key: %w; it is one line NAME+ID+KEY", err)
	}
	return &Verifier{note: v, public: public}, nil
}

// Name is the key's name.
func (v *Verifier) Name() string { return v.note.Name() }

// String is the key on one line. Other programs take it, too: it is what C2SP calls a vkey.
func (v *Verifier) String() string { return v.public }
