package bridge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// A receipt is rcpt_ and hex of: a random part, whose it is, and an HMAC over both. So whether it is genuine and the caller's own
// can be said of any receipt, however old, without looking it up.
const (
	receiptPrefix = "rcpt_"
	receiptRandom = 6
	receiptOwner  = 4
	receiptMAC    = 6
	receiptLabel  = "agentbridge receipt v1"
)

func (k *KeyRing) newReceipt(agent AgentID) Receipt {
	raw := append(randomBytes(receiptRandom), ownerMark(agent)...)
	raw = append(raw, k.sign(receiptLabel, string(raw))[:receiptMAC]...)
	return Receipt(receiptPrefix + hex.EncodeToString(raw))
}

// checkReceipt refuses what this bridge did not make ([Invalid]) and what it made for somebody else ([Denied]).
func (k *KeyRing) checkReceipt(receipt Receipt, agent AgentID) error {
	encoded, ok := strings.CutPrefix(string(receipt), receiptPrefix)
	raw, err := hex.DecodeString(encoded)
	genuine := false
	if ok && err == nil && len(raw) == receiptRandom+receiptOwner+receiptMAC && strings.ToLower(encoded) == encoded {
		body, mac := raw[:receiptRandom+receiptOwner], raw[receiptRandom+receiptOwner:]
		// Also by a key that has ended: a receipt is no right, and its batch may be older than the rotation.
		for _, id := range k.ids() {
			tag, _ := k.tag(id, receiptLabel, string(body))
			genuine = hmac.Equal(mac, tag[:receiptMAC]) || genuine
		}
	}
	if !genuine {
		return Errorf(Invalid, "that is no receipt of this bridge").
			WithHint("pass the receipt of your last check_messages as it is, or leave ack out")
	}
	if !hmac.Equal(raw[receiptRandom:receiptRandom+receiptOwner], ownerMark(agent)) {
		return Errorf(Denied, "that receipt is another agent's").WithHint("ack only what your own check_messages gave you")
	}
	return nil
}

func ownerMark(agent AgentID) []byte {
	sum := sha256.Sum256([]byte(agent))
	return sum[:receiptOwner]
}
