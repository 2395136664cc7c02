package bridge

import (
	"crypto/hmac"
	"encoding/base64"
	"strings"
)

const (
	wordLabel = "agentbridge word v1"
	wordMAC   = 16
)

// Seal makes a word of what the caller's client keeps for the bridge and hands back later: purpose, an underscore, and base64 for URLs.
// The client can read it. It is good for this caller's agent and this purpose only, as long as the ring has the key that signs now;
// what else ends it, and whether it may be used twice, is for who reads it to say.
func (s *Service) Seal(c Caller, purpose string, what []byte) string {
	mac := s.ring().sign(wordLabel, purpose, string(c.cred.agent), string(what))
	return purpose + "_" + base64.RawURLEncoding.EncodeToString(append(mac[:wordMAC:wordMAC], what...))
}

// Unseal gives what [Service.Seal] made the word of. Ok is false for every word that it did not make for this caller's agent and this
// purpose.
func (s *Service) Unseal(c Caller, purpose, word string) (what []byte, ok bool) {
	encoded, ok := strings.CutPrefix(word, purpose+"_")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(raw) < wordMAC || strings.ContainsAny(word, "\r\n") { // which the decoder leaves out
		return nil, false
	}
	mac, what := raw[:wordMAC], raw[wordMAC:]
	ring, genuine := s.ring(), false
	for _, id := range ring.ids() {
		want, _ := ring.tag(id, wordLabel, purpose, string(c.cred.agent), string(what))
		genuine = hmac.Equal(mac, want[:wordMAC]) || genuine
	}
	return what, genuine
}
