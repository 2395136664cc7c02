// Package creds brings invites from machine to machine through a git repository that others can read and write.
//
// Nothing in the repository is believed. A machine is known by its [Fingerprint], which a person compared on another way and which
// stands for both of its keys; an invite is encrypted to one machine and signed by another, inside of the encryption; and what it holds
// is good once, for ten minutes. So whoever can write the repository can lose invites and delay them, and nothing else.
package creds

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"strings"

	"filippo.io/age"

	"agentbridge/internal/bridge"
)

// Fingerprint stands for the keys of a machine: 160 bits of the SHA-256 of both, in base32. Whoever has it needs no name for the machine,
// so the repository has none.
type Fingerprint string

const fingerprintSize = 20

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ParseFingerprint reads a fingerprint as a person typed or pasted it, with or without the dashes.
func ParseFingerprint(text string) (Fingerprint, error) {
	bare := strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(strings.TrimSpace(text)))
	raw, err := base32Lower.DecodeString(bare)
	if err != nil || len(raw) != fingerprintSize || base32Lower.EncodeToString(raw) != bare { // which says more than it decodes to
		return "", bridge.Errorf(bridge.Invalid, "that is no fingerprint of a machine").
			WithHint("`agentbridge creds list` on that machine shows it: eight groups of four letters and digits")
	}
	return Fingerprint(bare), nil
}

// String is the fingerprint as people compare it, in groups of four.
func (f Fingerprint) String() string {
	var groups []string
	for rest := string(f); rest != ""; {
		n := min(4, len(rest))
		groups, rest = append(groups, rest[:n]), rest[n:]
	}
	return strings.Join(groups, "-")
}

// Machine is what others know of a machine: the key it signs with, and the one that is encrypted to.
type Machine struct {
	Sign ed25519.PublicKey `json:"sign"`
	Age  string            `json:"age"` // age1…
}

// Fingerprint stands for both keys: there is no other machine with one of them that has it.
func (m Machine) Fingerprint() Fingerprint {
	sum := sha256.New()
	sum.Write([]byte("agentbridge creds machine v1\n"))
	sum.Write(m.Sign) // of one length
	sum.Write([]byte(m.Age))
	return Fingerprint(base32Lower.EncodeToString(sum.Sum(nil)[:fingerprintSize]))
}

func (m Machine) check() error {
	recipient, err := age.ParseX25519Recipient(m.Age)
	if err != nil || len(m.Sign) != ed25519.PublicKeySize || recipient.String() != m.Age {
		return bridge.Errorf(bridge.Invalid, "that is no machine's card")
	}
	return nil
}

// Identity is a machine with its secrets. Its JSON is for a file that only its owner reads.
type Identity struct {
	machine Machine
	sign    ed25519.PrivateKey
	age     *age.X25519Identity
}

// NewIdentity makes the keys of a machine.
func NewIdentity() (*Identity, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	secret, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	return &Identity{Machine{public, secret.Recipient().String()}, private, secret}, nil
}

// Machine is what others may know.
func (id *Identity) Machine() Machine { return id.machine }

type identityFile struct {
	Sign []byte `json:"sign"` // the seed
	Age  string `json:"age"`  // AGE-SECRET-KEY-1…
}

// MarshalJSON holds both secrets.
func (id *Identity) MarshalJSON() ([]byte, error) {
	return json.Marshal(identityFile{id.sign.Seed(), id.age.String()})
}

// UnmarshalJSON reads what MarshalJSON wrote. Its errors hold nothing of it.
func (id *Identity) UnmarshalJSON(text []byte) error {
	var f identityFile
	bad := bridge.Errorf(bridge.Invalid, "the file of this machine's keys is damaged").
		WithHint("bring it back from a backup, or remove it and run `agentbridge creds init` again; others then have to trust the new fingerprint")
	if json.Unmarshal(text, &f) != nil || len(f.Sign) != ed25519.SeedSize {
		return bad
	}
	secret, err := age.ParseX25519Identity(f.Age)
	if err != nil {
		return bad
	}
	id.sign, id.age = ed25519.NewKeyFromSeed(f.Sign), secret
	id.machine = Machine{id.sign.Public().(ed25519.PublicKey), secret.Recipient().String()}
	return nil
}

const (
	cardHead = "agentbridge machine v1"
	maxCard  = 1 << 10
)

// Card is how a machine is published: its keys, signed with its own. Who it belongs to it does not say.
func (id *Identity) Card() []byte {
	text := cardHead + "\n" + base64.StdEncoding.EncodeToString(id.machine.Sign) + "\n" + id.machine.Age + "\n"
	return []byte(text + base64.StdEncoding.EncodeToString(ed25519.Sign(id.sign, []byte(text))) + "\n")
}

// ParseCard reads the card that is kept under a fingerprint. One with other keys than the fingerprint's is refused, however it is signed.
func ParseCard(want Fingerprint, text []byte) (m Machine, err error) {
	bad := bridge.Errorf(bridge.Invalid, "what the repository has under %s is not that machine's card", want).
		WithHint("somebody put something else there; run `agentbridge creds init` on that machine again, and look at the history")
	lines := strings.Split(string(text), "\n")
	if len(text) > maxCard || len(lines) != 5 || lines[0] != cardHead || lines[4] != "" {
		return m, bad
	}
	signed := len(text) - len(lines[3]) - 1
	key, keyErr := base64.StdEncoding.Strict().DecodeString(lines[1])
	signature, sigErr := base64.StdEncoding.Strict().DecodeString(lines[3])
	m = Machine{key, lines[2]}
	if keyErr != nil || sigErr != nil || m.check() != nil || !ed25519.Verify(m.Sign, text[:signed], signature) || m.Fingerprint() != want {
		return Machine{}, bad
	}
	return m, nil
}
