// Package oracle_test holds our work against other people's: what gitleaks finds our scanner masks, and the log that we export
// tessera's fsck accepts, and no other.
package oracle_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zricethezav/gitleaks/v8/detect"

	"agentbridge/internal/redact"
	"agentbridge/internal/redact/corpus"
)

// spared are the rules of gitleaks whose findings we let pass on purpose, each for its reason.
var spared = map[string]string{
	"asana-client-id":             "an id that is public: OAuth sends it through browsers",
	"discord-client-id":           "an id that is public",
	"linkedin-client-id":          "an id that is public",
	"lob-pub-api-key":             "a publishable key",
	"new-relic-browser-api-token": "a key that stands in every page it is for",
	"sourcegraph-access-token":    "any Git hash in a text that says sgp_",
}

// unlike are the rules whose expressions describe more than anybody's secrets, which the last test here makes. What they find in
// texts that somebody wrote is compared like any other.
var unlike = map[string]string{
	"hashicorp-tf-api-token": "an equals sign in the middle",
	"jwt":                    "a header that is not JSON, which would begin with eyJ",
	"new-relic-user-api-key": "lower case",
	"private-key":            "punctuation between BEGIN and END",
	"typeform-api-token":     "equals signs in the middle",
}

func TestScanner_MasksWhatGitleaksFindsInTheCorpora(t *testing.T) {
	for seed := range uint64(2) {
		compare(t, corpora(seed), 0.995)
	}
}

// Texts cut and joined anywhere put secrets into contexts that no author thought of.
func TestScanner_MasksWhatGitleaksFindsInBrokenTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	cases := corpora(3)
	const joints = " \n,.;:'\"`()[]{}<>|&*=-_/\\x7"
	var broken []corpus.Case
	for i := range 4000 {
		a, b := cases[r.IntN(len(cases))].Text, cases[r.IntN(len(cases))].Text
		text := a[:r.IntN(len(a)+1)] + string(joints[r.IntN(len(joints))]) + b[r.IntN(len(b)):]
		broken = append(broken, corpus.Case{Kind: fmt.Sprintf("broken-%d", i), Text: strings.ToValidUTF8(text, "")})
	}
	compare(t, broken, 0.95)
}

// For each rule of gitleaks, texts that its own expression says are secrets.
func TestScanner_MasksWhatGitleaksRulesDescribe(t *testing.T) {
	d := detector(t)
	r := rand.New(rand.NewPCG(4, 4))
	var rules []string
	for id, rule := range d.Config.Rules {
		if _, ok := unlike[id]; rule.Regex != nil && !rule.SkipReport && !ok {
			rules = append(rules, id)
		}
	}
	slices.Sort(rules)
	var made []corpus.Case
	silent := 0
	for _, id := range rules {
		found := 0
		for range 40 {
			text := invent(r, d.Config.Rules[id].Regex)
			for _, in := range []string{"%s", "see %s ok", "x = [%s]", "%s,"} {
				text := fmt.Sprintf(in, text)
				if words := d.Config.Rules[id].Keywords; len(words) > 0 {
					text = words[0] + "\n" + text // or gitleaks does not look
				}
				if len(d.DetectString(redact.Sanitise(text))) > 0 {
					made = append(made, corpus.Case{Kind: id, Text: text})
					found++
				}
			}
			if found >= 12 {
				break
			}
		}
		if found == 0 {
			silent++
			t.Logf("gitleaks finds nothing that the expression of %s describes", id)
		}
	}
	if silent > 5 { // those that look at a file's name
		t.Errorf("for %d of %d rules there is no text to compare", silent, len(rules))
	}
	compare(t, made, 0.97)
}

// corpora are the cases of all corpora.
func corpora(seed uint64) []corpus.Case {
	return slices.Concat(corpus.House(seed).Cases, corpus.Reviewer(seed).Cases)
}

func detector(t *testing.T) *detect.Detector {
	t.Helper()
	d, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		t.Fatal(err)
	}
	d.IgnoreGitleaksAllow = true // a message may say so; ours looks all the same
	return d
}

// compare fails if our scanner masks less than floor of the secrets that gitleaks finds. Of what nobody wrote some is nonsense:
// a key of punctuation, a name that half of is cut off. What no floor excuses is a rule of which nothing is masked.
func compare(t *testing.T, cases []corpus.Case, floor float64) {
	t.Helper()
	d := detector(t)
	sc, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	theirs := corpus.Corpus{Name: "gitleaks"}
	for _, c := range cases {
		text := redact.Sanitise(c.Text)
		for _, f := range d.DetectString(text) {
			secret := core(f.RuleID, f.Secret)
			if _, ok := spared[f.RuleID]; !ok && len(secret) >= 8 && strings.Contains(text, secret) {
				theirs.Cases = append(theirs.Cases, corpus.Case{Kind: f.RuleID, Text: text, Secrets: []string{secret}})
			}
		}
	}
	r, err := corpus.Measure(sc, theirs)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("gitleaks finds %d secrets by %d rules; ours masks %d", r.Secrets, len(r.Kinds), r.Found)
	if len(theirs.Cases) == 0 {
		t.Error("gitleaks finds nothing, so there is nothing to compare")
	}
	for _, c := range r.Missed {
		t.Logf("gitleaks (%s) finds %q in %q, and ours lets it through", c.Kind, c.Secrets, c.Text)
	}
	if r.Recall() < floor {
		t.Errorf("ours masks %.3f of what gitleaks finds, want %.3f", r.Recall(), floor)
	}
	for _, k := range r.Kinds {
		if k.Found == 0 {
			t.Errorf("ours masks nothing of the %d secrets that gitleaks finds by %s", k.Secrets, k.Name)
		}
	}
}

// core is the part of what a rule of gitleaks gives that is worth hiding.
func core(rule, secret string) string {
	switch {
	case strings.Contains(secret, "hooks.slack.com/"): // the rest of a webhook's address is known
		return secret[strings.LastIndexByte(secret, '/')+1:]
	case rule == "curl-auth-user" || rule == "sidekiq-sensitive-url": // a user's name stands before it
		_, password, _ := strings.Cut(strings.Trim(secret, `"'`), ":")
		return password
	case rule == "facebook-access-token": // an app's number stands before it
		return secret[strings.IndexAny(secret, "|%")+1:]
	case rule == "private-key": // it goes on to the end of another key, whatever is between them
		_, body, _ := strings.Cut(secret, "KEY-----")
		return pemBody.FindString(body)
	default:
		return secret
	}
}

var pemBody = regexp.MustCompile(`[A-Za-z0-9+/=\n]{16,}`)
