// Command bench measures agentbridge on this machine, each figure beside its floor in the same run: `make bench`.
//
// Every process it measures is a real one. It prints Markdown, and exits 1 if a figure misses its target.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"agentbridge/internal/workload"
)

// row is one measured figure.
type row struct {
	what, figure, floor, target string
	met                         bool
}

// bench is a run: where it works, and what it found.
type bench struct {
	program workload.Program
	quick   bool
	rows    []row
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == noopArg {
		if err := serveNoop(); err != nil {
			fmt.Fprintln(os.Stderr, "noop:", err)
			os.Exit(1)
		}
		return
	}
	binary := flag.String("binary", "bin/agentbridge", "the program to measure")
	only := flag.String("only", "", "measure only this: send wake crowd start crash")
	quick := flag.Bool("quick", false, "fewer samples: for a look, not for quoting")
	dir := flag.String("dir", "", "where to work; the default is a new temporary directory")
	flag.Parse()
	if err := run(*binary, *only, *dir, *quick); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(binary, only, dir string, quick bool) error {
	path, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w; build it with make build", err)
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "agentbridge-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	b := &bench{program: workload.Program{Path: path, Data: dir, Env: []string{"AGENTBRIDGE_LIMITS=off"}, Stderr: os.Stderr}, quick: quick}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	for _, m := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"start", b.start}, {"send", b.send}, {"wake", b.wake}, {"crowd", b.crowd}, {"crash", b.crash},
	} {
		if only != "" && only != m.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", m.name)
		b.program.Data = filepath.Join(dir, m.name)
		if err := os.Mkdir(b.program.Data, 0o700); err != nil {
			return err
		}
		if err := m.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return b.print()
}

// print writes the table and says whether every target is met.
func (b *bench) print() error {
	fmt.Printf("agentbridge on %d processors, %s, %s\n\n", runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| what\t| measured\t| floor in the same run\t| target\t| met\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|")
	var missed []string
	for _, r := range b.rows {
		met := "yes"
		if !r.met {
			met = "NO"
			missed = append(missed, r.what)
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t|\n", r.what, r.figure, r.floor, r.target, met)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(missed) > 0 {
		return errors.New("missed: " + strings.Join(missed, ", "))
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
