package corpus

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/redact"
)

// A Report is how a scanner did on a corpus.
type Report struct {
	Corpus string

	Secrets, Found int    // how often a secret stands in a text, and how often it was found there
	Kinds          []Kind // of the secrets, worst first
	Missed         []Case // texts in which a secret was not found; Secrets holds only those

	Clean   int
	Altered []Case // clean texts that did not stay as they were

	Around, Lost int // bytes around the secrets of all texts that hold some, and how many of those were masked too
}

// A Kind is how a scanner did on secrets of one kind.
type Kind struct {
	Name           string
	Secrets, Found int
}

// Recall is the share of secrets that were found.
func (r Report) Recall() float64 { return share(r.Found, r.Secrets) }

// AlteredRate is the share of clean texts that were altered.
func (r Report) AlteredRate() float64 { return share(len(r.Altered), r.Clean) }

// LostRate is the share of ordinary text around secrets that was masked with them.
func (r Report) LostRate() float64 { return share(r.Lost, r.Around) }

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Measure has sc mask every text of c. A secret counts as found only if the masked text holds no eight characters in a row
// of it, and of one shorter than sixteen no half. An error says that sc refused a text, or masked other than it reported.
func Measure(sc *redact.Scanner, c Corpus) (Report, error) {
	r := Report{Corpus: c.Name}
	kinds := map[string]*Kind{}
	for _, k := range c.Cases {
		text := redact.Sanitise(k.Text)
		masked, found, err := sc.Redact(key, k.Text)
		if err == nil {
			err = agree(text, masked, found)
		}
		if err != nil {
			return Report{}, fmt.Errorf("redact %s of corpus %s: %w", k.Kind, c.Name, err)
		}
		if len(k.Secrets) == 0 {
			r.Clean++
			if masked != text {
				r.Altered = append(r.Altered, k)
			}
			continue
		}
		kind := kinds[k.Kind]
		if kind == nil {
			kind = &Kind{Name: k.Kind}
			kinds[k.Kind] = kind
		}
		hidden, secret := make([]bool, len(text)), make([]bool, len(text))
		for _, f := range found {
			fill(hidden, f.Start, f.End)
		}
		missed := k
		missed.Secrets = nil
		for _, s := range k.Secrets {
			kind.Secrets++
			if survives(text, s, hidden, secret) {
				missed.Secrets = append(missed.Secrets, s)
			} else {
				kind.Found++
			}
		}
		if len(missed.Secrets) > 0 {
			r.Missed = append(r.Missed, missed)
		}
		for i := range text {
			if !secret[i] {
				r.Around++
				if hidden[i] {
					r.Lost++
				}
			}
		}
	}
	for _, kind := range kinds {
		r.Secrets += kind.Secrets
		r.Found += kind.Found
		r.Kinds = append(r.Kinds, *kind)
	}
	slices.SortFunc(r.Kinds, func(a, b Kind) int {
		return cmp.Or(cmp.Compare(share(a.Found, a.Secrets), share(b.Found, b.Secrets)), cmp.Compare(a.Name, b.Name))
	})
	return r, nil
}

// key is of no conversation.
var key = []byte("a key to measure by")

// agree checks that masked is text with placeholders where found says: what follows counts by found.
func agree(text, masked string, found []redact.Finding) error {
	done := 0
	for _, f := range found {
		if f.Start < done || f.End < f.Start || f.End > len(text) {
			return fmt.Errorf("finding %v is out of order", f)
		}
		rest, ok := strings.CutPrefix(masked, text[done:f.Start])
		open := "[REDACTED:" + f.Kind + ":"
		n := len(open) + len("01234567]")
		if !ok || !strings.HasPrefix(rest, open) || len(rest) < n || rest[n-1] != ']' {
			return fmt.Errorf("finding %v is not in the masked text", f)
		}
		masked, done = rest[n:], f.End
	}
	if masked != text[done:] {
		return fmt.Errorf("the masked text differs from the findings at its end")
	}
	return nil
}

// survives reports whether too much of some occurrence of secret in text is not hidden, and marks where they are.
func survives(text, secret string, hidden, marks []bool) bool {
	limit := min(8, (len(secret)+1)/2)
	leaked := false
	for from := 0; ; {
		i := strings.Index(text[from:], secret)
		if i < 0 {
			return leaked || from == 0 // one that is not there at all is the corpus's mistake; let it show
		}
		start := from + i
		fill(marks, start, start+len(secret))
		for run, j := 0, start; j < start+len(secret); j++ {
			if run++; hidden[j] {
				run = 0
			}
			leaked = leaked || run >= limit
		}
		from = start + len(secret)
	}
}

func fill(marks []bool, from, to int) {
	for i := from; i < to; i++ {
		marks[i] = true
	}
}

// Took is how long something takes for one text.
type Took struct{ P50, P99 time.Duration }

// Time measures call on each of texts, some times over.
func Time(texts []string, call func(text string) error) (Took, error) {
	const rounds = 5
	var took []time.Duration
	for range rounds {
		for _, text := range texts {
			start := time.Now()
			if err := call(text); err != nil {
				return Took{}, err
			}
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	return Took{took[len(took)/2], took[len(took)*99/100]}, nil
}

// Texts makes n texts of about size bytes: clean ones of c after another and one with a secret among them, as agents paste.
func Texts(c Corpus, seed uint64, n, size int) []string {
	var clean, dirty []string
	for _, k := range c.Cases {
		if len(k.Secrets) == 0 {
			clean = append(clean, k.Text)
		} else {
			dirty = append(dirty, k.Text)
		}
	}
	s := seeded(seed, "texts")
	texts := make([]string, n)
	for i := range texts {
		parts := []string{pick(s, dirty...)}
		for have := len(parts[0]); have < size; {
			parts = append(parts, pick(s, clean...))
			have += len(parts[len(parts)-1]) + 1
		}
		s.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		texts[i] = strings.Join(parts, "\n")
	}
	return texts
}
