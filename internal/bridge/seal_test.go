package bridge_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

func TestSeal_AWordIsGoodForItsAgentAndPurposeOnly(t *testing.T) {
	w := newWorld(t)
	alpha, beta := w.agent("alpha"), w.agent("beta")
	word := w.Seal(alpha, "wait", []byte("what was kept"))
	if what, ok := w.Unseal(alpha, "wait", word); !ok || string(what) != "what was kept" {
		t.Errorf("the word gives %q, %v", what, ok)
	}
	if what, ok := w.Unseal(w.elsewhere(alpha), "wait", word); !ok || string(what) != "what was kept" {
		t.Errorf("in another process of the agent the word gives %q, %v", what, ok)
	}
	if _, ok := w.Unseal(beta, "wait", word); ok {
		t.Error("another agent's word is good")
	}
	if _, ok := w.Unseal(alpha, "answer", "answer"+strings.TrimPrefix(word, "wait")); ok {
		t.Error("a word for another purpose is good")
	}
	for _, bad := range []string{"", "wait", "wait_", "wait_AAAA", strings.TrimPrefix(word, "wait_"), word + "=", word + "\n", word + "AAAA", word[:len(word)-4]} {
		if what, ok := w.Unseal(alpha, "wait", bad); ok {
			t.Errorf("%q is good, and gives %q", bad, what)
		}
	}
}

func TestSeal_NoBitOfAWordCanBeChanged(t *testing.T) {
	w := newWorld(t)
	alpha := w.agent("alpha")
	encoded := strings.TrimPrefix(w.Seal(alpha, "wait", []byte("kept")), "wait_")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		if what, ok := w.Unseal(alpha, "wait", "wait_"+base64.RawURLEncoding.EncodeToString(raw)); ok {
			t.Errorf("with bit %d changed the word gives %q", bit, what)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
}

func TestSeal_AWordEndsWithTheKeyThatMadeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &ringFile{}
		w := newWorld(t, f.option)
		alpha := w.agent("alpha")
		word := w.Seal(alpha, "wait", []byte("kept"))
		w.rotate(f, time.Hour)
		if _, ok := w.Unseal(alpha, "wait", word); !ok {
			t.Error("the word is gone while the ring has its key")
		}
		time.Sleep(2 * time.Hour)
		w.rotate(f, time.Hour) // which forgets what is retired
		if _, ok := w.Unseal(alpha, "wait", word); ok {
			t.Error("the word outlives its key")
		}
	})
}

// elsewhere is the same agent in another process.
func (w *world) elsewhere(c bridge.Caller) bridge.Caller {
	c.Instance += "x"
	return c
}
