package cli

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"filippo.io/age"

	"agentbridge/internal/bridge"
)

const (
	// approvalFile holds the key that a person approves commands with, wrapped with their passphrase by age's scrypt. Beside it lies its
	// public half, by which the runner of this machine knows what its person signed.
	approvalFile    = "approval.key"
	approvalPubFile = "approval.key.pub"

	leastPassphrase = 10 // characters
	passphraseTries = 3
)

// approver is a person who gave the passphrase: it signs with their key, on this terminal, as long as this process lives.
type approver struct{ key ed25519.PrivateKey }

func (a approver) public() ed25519.PublicKey { return a.key.Public().(ed25519.PublicKey) }

func (a approver) sign(what []byte) ([]byte, error) { return ed25519.Sign(a.key, what), nil }

// approver asks for the passphrase and unwraps the key with it. Where there is no key yet, mayMake lets the person choose a passphrase and
// makes one.
func (h *person) approver(dir string, mayMake bool) (a approver, err error) {
	path := filepath.Join(dir, approvalFile)
	wrapped, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mayMake:
		return h.newApprover(dir)
	case errors.Is(err, fs.ErrNotExist):
		return a, bridge.Errorf(bridge.NotFound, "there is no approval key on this machine").WithHint("approve where commands were enabled; agentbridge yolo enable makes the key")
	case err != nil:
		return a, bridge.Errorf(bridge.Invalid, "read the approval key: %w", err).WithHint("look at %s", path)
	}
	for range passphraseTries {
		phrase, err := h.secret("your passphrase (it is not shown): ")
		if err != nil {
			return a, err
		}
		if a, err = unwrap(wrapped, phrase); err == nil {
			if known, err := approvalKey(dir); err != nil || known != nil && !known.Equal(a.public()) {
				h.say("%s did not hold your key; it does again. Whoever changed it could approve commands in your place: agentbridge audit show tells what ran.", approvalPubFile)
			}
			return a, writeApprovalPub(dir, a)
		}
		if !errors.Is(err, errPassphrase) {
			return a, bridge.Errorf(bridge.Invalid, "the approval key cannot be read: %w", err).WithHint("move %s away and enable commands anew", path)
		}
		h.say("that is not the passphrase.")
	}
	return a, bridge.Errorf(bridge.Denied, "that was not the passphrase").WithHint("if it is lost, remove %s and run agentbridge yolo enable anew: it makes another key", path)
}

// newApprover makes a key with a passphrase that the person chooses.
func (h *person) newApprover(dir string) (a approver, err error) {
	h.say("Choose a passphrase of at least %d characters. It unlocks the key that approves commands; no agent ever needs it, and nothing else keeps it.", leastPassphrase)
	for range passphraseTries {
		phrase, err := h.secret("new passphrase (it is not shown): ")
		if err != nil {
			return a, err
		}
		if utf8.RuneCountInString(phrase) < leastPassphrase {
			h.say("that has fewer than %d characters.", leastPassphrase)
			continue
		}
		again, err := h.secret("the same again: ")
		if err != nil {
			return a, err
		}
		if again != phrase {
			h.say("these are two different ones.")
			continue
		}
		if _, a.key, err = ed25519.GenerateKey(nil); err != nil {
			return a, err
		}
		wrapped, err := wrap(a, phrase)
		if err != nil {
			return a, err
		}
		if err := writePrivate(filepath.Join(dir, approvalFile), wrapped, false); err != nil {
			return a, bridge.Errorf(bridge.Invalid, "write the approval key: %w", err).WithHint("the data directory must be one that you can write to")
		}
		return a, writeApprovalPub(dir, a)
	}
	return a, bridge.Errorf(bridge.Denied, "no passphrase was chosen").WithHint("type the command again")
}

var errPassphrase = errors.New("wrong passphrase")

func wrap(a approver, phrase string) ([]byte, error) {
	to, err := age.NewScryptRecipient(phrase)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(a.key.Seed())
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unwrap(wrapped []byte, phrase string) (a approver, err error) {
	if phrase == "" {
		return a, errPassphrase
	}
	identity, err := age.NewScryptIdentity(phrase)
	if err != nil {
		return a, err
	}
	r, err := age.Decrypt(bytes.NewReader(wrapped), identity)
	if err != nil {
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
			return a, errPassphrase
		}
		return a, err
	}
	seed, err := io.ReadAll(io.LimitReader(r, ed25519.SeedSize+1))
	if err != nil || len(seed) != ed25519.SeedSize {
		return a, errors.New("it holds no key")
	}
	a.key = ed25519.NewKeyFromSeed(seed)
	return a, nil
}

func writeApprovalPub(dir string, a approver) error {
	text := base64.StdEncoding.EncodeToString(a.public()) + "\n"
	path := filepath.Join(dir, approvalPubFile)
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	return writePrivate(path, []byte(text), true)
}

// approvalKey is the public half of this machine's approval key; nil: it has none yet.
func approvalKey(dir string) (ed25519.PublicKey, error) {
	path := filepath.Join(dir, approvalPubFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	raw, broken := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || broken != nil || len(raw) != ed25519.PublicKeySize {
		return nil, bridge.Errorf(bridge.Invalid, "%s holds no key", path).WithHint("remove it; agentbridge yolo enable writes it anew")
	}
	return raw, nil
}
