package policy_test

import (
	"os"
	"strings"
	"testing"

	"agentbridge/internal/policy"
)

func newPolicy(t testing.TB, opts policy.Options) *policy.Policy {
	t.Helper()
	p, err := policy.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// corpus reads commands, one a line; \n in a line is a line break, and lines that begin with "# " are remarks.
func corpus(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		out = append(out, strings.NewReplacer("⏎", "\n", "␍", "\r", "␛", "\x1b").Replace(line))
	}
	return out
}

func TestOrdinaryCommandsPass(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	for _, test := range []struct {
		file  string
		mode  policy.Mode
		least int
	}{{"ordinary_safe.txt", policy.Safe, 150}, {"ordinary_safe.txt", policy.Restricted, 150}, {"ordinary_restricted.txt", policy.Restricted, 150}} {
		commands := corpus(t, test.file)
		if len(commands) < test.least {
			t.Errorf("%s holds %d commands, want at least %d", test.file, len(commands), test.least)
		}
		for _, c := range commands {
			if d := p.Decide(test.mode, c); d.Verdict != policy.Allow {
				t.Errorf("%s: %s: %s: %s", test.mode, c, d.Verdict, d.Reason)
			}
		}
	}
}

func TestSafe_RefusesPayloads(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	for _, file := range []string{"payloads.txt"} {
		for _, c := range corpus(t, file) {
			if d := p.Decide(policy.Safe, c); d.Verdict != policy.Deny {
				t.Errorf("%s: %s: %+v", c, d.Verdict, d.Steps)
			} else if d.Reason == "" || d.Hint == "" || len(d.Steps) > 0 {
				t.Errorf("%s: a refusal has a reason, a hint and nothing to execute: %+v", c, d)
			}
		}
	}
}
