package corpus

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReviewer_IsSound(t *testing.T) {
	for seed := range uint64(20) {
		reviewerSound(t, Reviewer(seed))
	}
}

func reviewerSound(t *testing.T, c Corpus) {
	t.Helper()
	seen := map[string]bool{}
	secret, clean := 0, 0
	kinds := map[string]int{}
	for _, k := range c.Cases {
		if k.Kind == "" {
			t.Errorf("no kind: %q", k.Text)
		}
		if !utf8.ValidString(k.Text) {
			t.Errorf("%s: not valid UTF-8: %q", k.Kind, k.Text)
		}
		if seen[k.Text] {
			t.Errorf("%s: twice: %q", k.Kind, k.Text)
		}
		seen[k.Text] = true
		if strings.ContainsAny(k.Text, "«»") {
			t.Errorf("%s: a hole is left: %q", k.Kind, k.Text)
		}
		for _, s := range k.Secrets {
			if len(s) < 6 || !strings.Contains(k.Text, s) {
				t.Errorf("%s: %q is short, or no part of %q", k.Kind, s, k.Text)
			}
		}
		if len(k.Secrets) == 0 {
			clean++
			kinds["clean "+k.Kind]++
			continue
		}
		secret++
		kinds[k.Kind]++
	}
	if secret < 450 || clean < 450 {
		t.Errorf("%d texts with a secret and %d clean ones, want 450 of each", secret, clean)
	}
	leaks := 0
	for kind, n := range kinds {
		if strings.HasPrefix(kind, "clean ") {
			continue
		}
		leaks++
		if n < 4 {
			t.Errorf("%s is in %d texts, want 4", kind, n)
		}
	}
	if leaks < 90 {
		t.Errorf("%d kinds of secrets, want 90", leaks)
	}
}

func TestReviewer_EveryPlaceHoldsASecret(t *testing.T) {
	for _, kinds := range [][]reviewerKind{
		reviewerTokens(), reviewerNamed(), reviewerServices(), reviewerKeys(), reviewerConfig(), reviewerShells(), reviewerProse(),
	} {
		for _, k := range kinds {
			for _, place := range k.places {
				if !strings.Contains(place, "«s") {
					t.Errorf("%s: no secret in %q", k.name, place)
				}
			}
		}
	}
}

func TestReviewer_IsTheSameForASeed(t *testing.T) {
	if !reflect.DeepEqual(Reviewer(7), Reviewer(7)) {
		t.Error("seed 7 made two corpora")
	}
	if reflect.DeepEqual(Reviewer(7), Reviewer(8)) {
		t.Error("seeds 7 and 8 made the same corpus")
	}
}

// Bech32 is checked by a vector of BIP 173.
func TestReviewer_EncodesAsPublished(t *testing.T) {
	if got, want := reviewerBech32("a", nil), "a12uel5l"; got != want { // BIP 173, test vectors
		t.Errorf("reviewerBech32 = %q, want %q", got, want)
	}
	if got, want := reviewerBase62(61, 6), "00000z"; got != want {
		t.Errorf("reviewerBase62 = %q, want %q", got, want)
	}
}
