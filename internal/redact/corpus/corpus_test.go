package corpus

import (
	"reflect"
	"strings"
	"testing"

	"agentbridge/internal/redact"
)

func TestHouse_IsLargeAndWellFormed(t *testing.T) {
	for seed := range uint64(3) {
		c := House(seed)
		kinds := map[string]int{}
		positives, clean := 0, 0
		for _, k := range c.Cases {
			if !redact.Valid(k.Text) {
				t.Errorf("%s: %q cannot be scanned", k.Kind, k.Text)
			}
			if len(k.Secrets) == 0 {
				clean++
				continue
			}
			positives++
			kinds[k.Kind]++
			for _, secret := range k.Secrets {
				if len(secret) < 6 || !strings.Contains(redact.Sanitise(k.Text), secret) {
					t.Errorf("%s: %q has no secret %q", k.Kind, k.Text, secret)
				}
			}
		}
		if len(kinds) < 150 || positives < 600 || clean < 600 {
			t.Errorf("%d kinds, %d texts with secrets, %d without; want at least 150, 600, 600", len(kinds), positives, clean)
		}
		for kind, n := range kinds {
			if n < 4 {
				t.Errorf("%s is in %d texts, want at least 4", kind, n)
			}
		}
	}
}

func TestCorpora_AreMadeOfTheirSeed(t *testing.T) {
	if !reflect.DeepEqual(House(1), House(1)) {
		t.Error("House(1) differs from itself")
	}
	if reflect.DeepEqual(House(1), House(2)) {
		t.Error("House(1) and House(2) are equal, want other values")
	}
}
