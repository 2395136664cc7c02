package creds

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"time"

	"filippo.io/age"

	"agentbridge/internal/bridge"
)

// Skew is how far the clocks of two machines may be apart. An invite ends by the hub's clock; here its time is looked at so that old ones
// need not be remembered for ever.
const Skew = 15 * time.Minute

// MaxLife is the longest that an invite is good for.
const MaxLife = 10 * time.Minute

const (
	inviteLabel = "agentbridge creds invite v1\n"
	maxInvite   = 8 << 10 // bytes of a file
	padding     = 1 << 10 // what is sealed has a multiple of this length, so that its size says nothing of hub and name
)

// Invite is a join code on its way to one machine.
type Invite struct {
	ID      string      `json:"id"` // 32 hex digits, one for each
	From    Fingerprint `json:"from"`
	To      Fingerprint `json:"to"`
	Created time.Time   `json:"created"`
	Expires time.Time   `json:"expires"`
	Code    string      `json:"code"`
}

// NewInvite addresses a code. Expires is when it ends at the hub, as far as is known; it is [MaxLife] from now at most.
func (id *Identity) NewInvite(to Machine, code string, now, expires time.Time) (Invite, error) {
	now = now.UTC().Truncate(time.Second)
	if most := now.Add(MaxLife); expires.IsZero() || expires.After(most) {
		expires = most
	}
	if !expires.After(now) {
		return Invite{}, bridge.Errorf(bridge.Expired, "the invite has expired").WithHint("make a new one with agentbridge invite")
	}
	if err := CheckCode(code); err != nil {
		return Invite{}, err
	}
	raw := make([]byte, 16)
	rand.Read(raw)
	return Invite{hex.EncodeToString(raw), id.machine.Fingerprint(), to.Fingerprint(), now, expires.UTC().Truncate(time.Second), code}, nil
}

// CheckCode refuses what is no code of a hub. So a token is never sent, whatever a person pastes.
func CheckCode(code string) error {
	if !bridge.WholeCode(code) {
		return bridge.Errorf(bridge.Invalid, "that is no join code, or not all of one").WithHint("give what agentbridge create or invite printed, from abi1_ to its last character")
	}
	if _, _, ok := bridge.CodeHub(code); !ok {
		return bridge.Errorf(bridge.Invalid, "the code does not say where its hub is").WithHint("have one made while `agentbridge serve` runs there: agentbridge invite")
	}
	return nil
}

// Seal signs an invite and encrypts it to the machine that it is for. Only that machine sees from whom it is, and until when.
func (id *Identity) Seal(i Invite, to Machine) ([]byte, error) {
	text, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	return id.seal(text, to)
}

func (id *Identity) seal(text []byte, to Machine) ([]byte, error) {
	recipient, err := age.ParseX25519Recipient(to.Age)
	if err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "that is no machine's card")
	}
	if over := (len(text) + ed25519.SignatureSize) % padding; over > 0 {
		text = append(text, bytes.Repeat([]byte(" "), padding-over)...)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(append(ed25519.Sign(id.sign, append([]byte(inviteLabel), text...)), text...))
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// Why a file of the repository is passed over. Nothing that is in it is told: nobody known wrote it.
var (
	ErrNotForUs = errors.New("not encrypted to this machine, or damaged")
	ErrStranger = errors.New("from no machine that is trusted here")
	ErrForged   = errors.New("not what a trusted machine sent to this one")
	ErrOver     = errors.New("its time is over, or the clocks of the two machines are far apart")
)

// Open decrypts what lies in this machine's box and gives it if one of senders signed it for this machine, and its time is now, give or
// take [Skew]. The error is one of this package's Err values. Whether it was there before, the caller knows by its ID.
func (id *Identity) Open(sealed []byte, senders []Machine, now time.Time) (i Invite, err error) {
	if len(sealed) > maxInvite {
		return i, ErrNotForUs
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), id.age)
	if err != nil {
		return i, ErrNotForUs
	}
	text, err := io.ReadAll(io.LimitReader(r, maxInvite))
	if err != nil || len(text) < ed25519.SignatureSize {
		return i, ErrNotForUs
	}
	signature, text := text[:ed25519.SignatureSize], text[ed25519.SignatureSize:]
	signed := append([]byte(inviteLabel), text...)
	for _, sender := range senders {
		if ed25519.Verify(sender.Sign, signed, signature) {
			return id.checked(text, sender, now)
		}
	}
	return i, ErrStranger
}

// checked reads what a trusted machine signed.
func (id *Identity) checked(text []byte, from Machine, now time.Time) (i Invite, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields() // of a later version: what they mean is not known
	raw := []byte(nil)
	if err := dec.Decode(&i); err == nil {
		raw, _ = hex.DecodeString(i.ID)
	}
	switch {
	case len(raw) != 16, i.From != from.Fingerprint(), i.To != id.machine.Fingerprint(), CheckCode(i.Code) != nil, i.Expires.Sub(i.Created) > MaxLife:
		return Invite{}, ErrForged
	case now.After(i.Expires.Add(Skew)), now.Before(i.Created.Add(-Skew)):
		return Invite{}, ErrOver
	}
	return i, nil
}
