package bridge

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// HubAddress is where a hub is reached, and how it is known there.
type HubAddress struct {
	URL string `json:"url"` // such as https://hub.example:7483, without a path
	// Fingerprint is "sha256:" and the hash of the public key in the hub's certificate (SPKI, hex). The certificate is good where it
	// has this, and then nobody needs to have signed it. Empty: it must be one that the system trusts.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// In a code that says where its hub is, more follows the secret: a byte of what there is, the hash, the length of the name and the name,
// the URL, and a checksum of all, so that one that was not pasted whole is told and leads nowhere else. It is one word, which is pasted and
// not typed.
const (
	codeHasPin       = 1
	codeHasName      = 2
	pinSize          = 32
	checksumSize     = 4
	fingerprintLabel = "sha256:"
	maxHubURL        = 300
)

// CodeHub tells where the hub is that a join code is for, and the name of the member that it seats. Ok is false for a code that does not
// say, and for what is none or not whole. Nothing in a code proves who wrote it: it is as good as whoever handed it over.
func CodeHub(code string) (h HubAddress, name string, ok bool) {
	raw, ok := decodeCode(code)
	if !ok || len(raw) == codeSize {
		return h, "", false
	}
	has, rest := raw[codeSize], raw[codeSize+1:len(raw)-checksumSize]
	if has&codeHasPin != 0 {
		if len(rest) < pinSize {
			return h, "", false
		}
		h.Fingerprint, rest = fingerprintLabel+hex.EncodeToString(rest[:pinSize]), rest[pinSize:]
	}
	if has&codeHasName != 0 {
		if len(rest) == 0 || len(rest) <= int(rest[0]) {
			return HubAddress{}, "", false
		}
		end := 1 + int(rest[0])
		name, rest = string(rest[1:end]), rest[end:]
	}
	h.URL = string(rest)
	unseen := func(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) }
	if has&^(codeHasPin|codeHasName) != 0 || h.URL == "" || len(h.URL) > maxHubURL || unseen(h.URL) || unseen(name) {
		return HubAddress{}, "", false
	}
	return h, name, true
}

// WholeCode reports whether a text is a join code from its beginning to its end. Whether it is good, its bridge knows.
func WholeCode(code string) bool {
	_, ok := decodeCode(code)
	return ok
}

// encodeCode writes the code of a member's invite: its id and secret, and where the hub is.
func encodeCode(raw []byte, name string, h HubAddress) string {
	raw = raw[:codeSize:codeSize]
	if h.URL != "" && len(h.URL) <= maxHubURL {
		has, more := byte(0), []byte(nil)
		if pin, err := hex.DecodeString(strings.TrimPrefix(h.Fingerprint, fingerprintLabel)); err == nil && len(pin) == pinSize {
			has, more = codeHasPin, pin
		}
		if name != "" && len(name) <= 255 {
			has |= codeHasName
			more = append(append(more, byte(len(name))), name...)
		}
		raw = append(append(append(raw, has), more...), h.URL...)
		raw = append(raw, checksum(raw)...)
	}
	return codePrefix + base64.RawURLEncoding.EncodeToString(raw)
}

func checksum(raw []byte) []byte {
	sum := sha256.Sum256(raw)
	return sum[:checksumSize]
}

// decodeCode reads what encodeCode wrote, also where a terminal or a mail wrapped it.
func decodeCode(code string) (raw []byte, ok bool) {
	encoded, ok := strings.CutPrefix(strings.Join(strings.Fields(code), ""), codePrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(raw) == codeSize {
		return raw, ok && err == nil
	}
	end := len(raw) - checksumSize
	return raw, end > codeSize && bytes.Equal(raw[end:], checksum(raw[:end]))
}

// splitCode gives the id and the secret of a code.
func splitCode(code string) (id string, secret []byte, ok bool) {
	raw, ok := decodeCode(code)
	if !ok {
		return "", nil, false
	}
	return hex.EncodeToString(raw[:codeIDSize]), raw[codeIDSize:codeSize], true
}
