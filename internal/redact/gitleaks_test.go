package redact

import (
	"cmp"
	"reflect"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/zricethezav/gitleaks/v8/config"
)

func TestReadLeaks_ReadsWhatATOMLLibraryReads(t *testing.T) {
	var whole struct {
		Rules []struct {
			ID, Regex   string
			Keywords    []string
			Entropy     float64
			SecretGroup int
		}
	}
	if _, err := toml.Decode(config.DefaultConfig, &whole); err != nil {
		t.Fatal(err)
	}
	leaks := readLeaks(config.DefaultConfig)
	if len(leaks) != len(whole.Rules) || len(leaks) < 200 {
		t.Fatalf("readLeaks read %d rules, want %d", len(leaks), len(whole.Rules))
	}
	for i, w := range whole.Rules {
		for k := range w.Keywords {
			w.Keywords[k] = asciiLower(w.Keywords[k])
		}
		if want := (leak{w.ID, w.Regex, w.Keywords, w.Entropy, w.SecretGroup}); !reflect.DeepEqual(leaks[i], want) {
			t.Errorf("readLeaks read %+v, want %+v", leaks[i], want)
		}
	}
}

// No rule of gitleaks may be lost without a word, whatever its next version brings.
func TestGitleaksRules_AreAllTakenOrDeclined(t *testing.T) {
	known := map[string]bool{}
	for _, l := range readLeaks(config.DefaultConfig) {
		known[l.id] = true
		if declined[l.id] != "" {
			continue
		}
		if _, err := regexp.Compile(l.expr()); err != nil || l.regex == "" || len(l.keywords) == 0 {
			t.Errorf("rule %s cannot be tried: regex %q, keywords %q, %v", l.id, l.regex, l.keywords, err)
		}
		for _, tail := range []string{`;]|`, `|$)`, `\z`, `)$`} {
			if _, ok := covered[l.id]; !ok && strings.Contains(l.expr(), tail) {
				t.Errorf("rule %s wants to see something behind a secret: %s", l.id, l.expr())
			}
		}
	}
	for _, ids := range []map[string]string{covered, declined} {
		for id := range ids {
			if !known[id] {
				t.Errorf("gitleaks has no rule %s any more", id)
			}
		}
	}
	for id := range tuned {
		if !known[id] {
			t.Errorf("gitleaks has no rule %s any more", id)
		}
	}
}

// samples are texts that the expression of a rule describes, with what it takes for the secret.
func (s source) samples(t *testing.T, l leak, n int) (texts, secrets []string) {
	t.Helper()
	expr := cmp.Or(tuned[l.id].expr, l.regex)
	re := regexp.MustCompile(expr)
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		var b strings.Builder
		s.write(&b, tree)
		text := b.String()
		m := re.FindStringSubmatch(text)
		if m == nil || !Valid(text) || Sanitise(text) != text {
			continue
		}
		secret := m[0]
		for g, part := range m[1:] {
			if part != "" && (l.group == 0 || l.group == g+1) {
				secret = part
				break
			}
		}
		if bits(secret) < l.entropy {
			continue
		}
		if texts, secrets = append(texts, text), append(secrets, secret); len(texts) == n {
			return texts, secrets
		}
	}
	t.Errorf("rule %s: no more than %d texts of its shape", l.id, len(texts))
	return texts, secrets
}

// write writes a text that re matches, its assertions aside.
func (s source) write(b *strings.Builder, re *syntax.Regexp) {
	times := func(lo, hi int) {
		if hi < 0 {
			hi = lo + 3
		}
		for range lo + s.IntN(hi-lo+1) {
			s.write(b, re.Sub[0])
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(s.class(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte(letters[s.IntN(len(letters))])
	case syntax.OpCapture:
		s.write(b, re.Sub[0])
	case syntax.OpStar:
		times(0, 3)
	case syntax.OpPlus:
		times(1, 12)
	case syntax.OpQuest:
		times(0, 1)
	case syntax.OpRepeat:
		times(re.Min, re.Max)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			s.write(b, sub)
		}
	case syntax.OpAlternate:
		s.write(b, re.Sub[s.IntN(len(re.Sub))])
	}
}

// class gives a printable ASCII character of a class.
func (s source) class(ranges []rune) rune {
	var in []rune
	for c := rune(' '); c < 0x7f; c++ {
		for i := 0; i < len(ranges); i += 2 {
			if ranges[i] <= c && c <= ranges[i+1] {
				in = append(in, c)
			}
		}
	}
	if len(in) == 0 {
		return ranges[0]
	}
	return in[s.IntN(len(in))]
}

func TestRedact_FindsWhatGitleaksDescribes(t *testing.T) {
	s := newScanner(t)
	for _, l := range readLeaks(config.DefaultConfig) {
		if _, ok := covered[l.id]; ok || declined[l.id] != "" {
			continue
		}
		const n = 20
		texts, secrets := seeded(l.id, 0).samples(t, l, n)
		missed := 0
		var example string
		for i, text := range texts {
			at := strings.Index(text, secrets[i])
			_, found, err := s.Redact(key, text)
			if err != nil {
				t.Fatalf("Redact(%q): %v", text, err)
			}
			if !slices.ContainsFunc(found, func(f Finding) bool { return f.Start <= at+1 && f.End >= at+len(secrets[i])-1 }) {
				missed++
				example = text
			}
		}
		if missed > n/4 {
			t.Errorf("rule %s: %d of %d missed, such as %q", l.id, missed, n, example)
		}
	}
}
