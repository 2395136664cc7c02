// Command report measures the built-in scanner by the corpora: make redact-report.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"agentbridge/internal/redact"
	"agentbridge/internal/redact/corpus"
)

// goals are what the redaction has to reach on each corpus.
var goals = []struct {
	corpus func(seed uint64) corpus.Corpus
	recall float64
}{
	{corpus.House, 0.95},
	{corpus.Reviewer, 0.95}, // its author had not seen the rules, but they were mended after reading what they missed
}

const (
	goalAltered = 0.01                 // of the clean texts of any corpus
	goalScan    = 2 * time.Millisecond // for scanSize; a slow machine misses it, so it only warns
	scanSize    = 10 << 10
)

func main() {
	seed := flag.Uint64("seed", 1, "make the corpora of this seed")
	verbose := flag.Bool("v", false, "show what was missed and what was altered")
	only := flag.String("corpus", "", "measure this corpus alone")
	flag.Parse()
	if err := run(os.Stdout, *seed, *only, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, seed uint64, only string, verbose bool) error {
	sc, err := redact.New(redact.Options{})
	if err != nil {
		return err
	}
	var missed []error
	for _, goal := range goals {
		c := goal.corpus(seed)
		if only != "" && c.Name != only {
			continue
		}
		r, err := corpus.Measure(sc, c)
		if err != nil {
			return err
		}
		texts := corpus.Texts(c, seed, 100, scanSize)
		scan, err := corpus.Time(texts, func(text string) error {
			_, _, err := sc.Redact(make([]byte, redact.MinKey), text)
			return err
		})
		if err != nil {
			return err
		}
		// What any scanner has to do at least: read the text once, whatever the case of its letters. It shows a busy machine, too.
		floor, err := corpus.Time(texts, func(text string) error {
			if strings.ToUpper(text) == "" {
				return errors.New("there is no text")
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := table(w, r, scan, floor, goal.recall); err != nil {
			return err
		}
		if verbose {
			show(w, sc, r)
		}
		if r.Recall() < goal.recall {
			missed = append(missed, fmt.Errorf("%s: recall is %.3f, want %.2f", c.Name, r.Recall(), goal.recall))
		}
		if r.AlteredRate() > goalAltered {
			missed = append(missed, fmt.Errorf("%s: %.1f %% of the clean texts altered, want at most %.0f %%", c.Name, 100*r.AlteredRate(), 100*goalAltered))
		}
	}
	return errors.Join(missed...)
}

func table(w io.Writer, r corpus.Report, scan, floor corpus.Took, goal float64) error {
	warn := ""
	if scan.P50 > goalScan {
		warn = ": SLOW"
	}
	fmt.Fprintf(w, "corpus %s\n\n", r.Corpus)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| what\t| measured\t| goal\t|\n|---\t|---\t|---\t|")
	fmt.Fprintf(t, "| recall\t| %.3f (%d of %d secrets, %d kinds)\t| ≥ %.2f\t|\n", r.Recall(), r.Found, r.Secrets, len(r.Kinds), goal)
	fmt.Fprintf(t, "| clean texts altered\t| %.2f %% (%d of %d)\t| ≤ %.0f %%\t|\n", 100*r.AlteredRate(), len(r.Altered), r.Clean, 100*goalAltered)
	fmt.Fprintf(t, "| ordinary text masked with a secret\t| %.2f %%\t| –\t|\n", 100*r.LostRate())
	fmt.Fprintf(t, "| scan of %d KB\t| p50 %.2f ms, p99 %.2f ms (upper-casing them: %.2f, %.2f)%s\t| p50 ≤ %.0f ms\t|\n",
		scanSize>>10, ms(scan.P50), ms(scan.P99), ms(floor.P50), ms(floor.P99), warn, ms(goalScan))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| kind\t| found\t| of\t| recall\t|\n|---\t|---\t|---\t|---\t|")
	for _, k := range r.Kinds {
		fmt.Fprintf(t, "| %s\t| %d\t| %d\t| %.2f\t|\n", k.Name, k.Found, k.Secrets, float64(k.Found)/float64(k.Secrets))
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// show prints the texts that went wrong. Their secrets are invented.
func show(w io.Writer, sc *redact.Scanner, r corpus.Report) {
	for _, c := range r.Missed {
		fmt.Fprintf(w, "missed %s: %q of %q\n", c.Kind, c.Secrets, c.Text)
	}
	for _, c := range r.Altered {
		masked, _, err := sc.Redact(make([]byte, redact.MinKey), c.Text)
		fmt.Fprintf(w, "altered %s: %q to %q %v\n", c.Kind, c.Text, masked, err)
	}
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
