package bridge

import (
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

// In a code that says where its hub is, the address follows the secret: a byte of what there is, the hash, the URL. The whole of it is
// one word, which is pasted and not typed.
const (
	codeHasPin       = 1
	pinSize          = 32
	fingerprintLabel = "sha256:"
	maxHubURL        = 300
)

// suffix is what a code says of the hub, as bytes.
func (h HubAddress) suffix() []byte {
	if h.URL == "" || len(h.URL) > maxHubURL {
		return nil
	}
	pin, err := hex.DecodeString(strings.TrimPrefix(h.Fingerprint, fingerprintLabel))
	if err != nil || len(pin) != pinSize {
		return append([]byte{0}, h.URL...)
	}
	return append(append([]byte{codeHasPin}, pin...), h.URL...)
}

// CodeHub tells where the hub is that a join code is for. Ok is false for a code that does not say, and for what is none. Nothing in
// a code proves who wrote it: it is as good as whoever handed it over.
func CodeHub(code string) (h HubAddress, ok bool) {
	raw, ok := decodeCode(code)
	if !ok || len(raw) < codeSize+2 {
		return h, false
	}
	rest := raw[codeSize:]
	switch has := rest[0]; {
	case has == 0:
		rest = rest[1:]
	case has == codeHasPin && len(rest) > 1+pinSize:
		h.Fingerprint, rest = fingerprintLabel+hex.EncodeToString(rest[1:1+pinSize]), rest[1+pinSize:]
	default:
		return h, false
	}
	h.URL = string(rest)
	return h, len(rest) <= maxHubURL && !strings.ContainsFunc(h.URL, func(r rune) bool { return r <= ' ' || r > '~' })
}

// encodeCode writes a code: its id and secret, and where the hub is.
func encodeCode(raw []byte, h HubAddress) string {
	return codePrefix + base64.RawURLEncoding.EncodeToString(append(raw[:codeSize:codeSize], h.suffix()...))
}

// decodeCode reads what encodeCode wrote, also where a terminal or a mail wrapped it.
func decodeCode(code string) (raw []byte, ok bool) {
	encoded, ok := strings.CutPrefix(strings.Join(strings.Fields(code), ""), codePrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	return raw, ok && err == nil && len(raw) >= codeSize
}

// splitCode gives the id and the secret of a code.
func splitCode(code string) (id string, secret []byte, ok bool) {
	raw, ok := decodeCode(code)
	if !ok {
		return "", nil, false
	}
	return hex.EncodeToString(raw[:codeIDSize]), raw[codeIDSize:codeSize], true
}
