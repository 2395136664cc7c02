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
	"slices"
	"strings"
	"sync"
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
	kept    time.Duration // how long keep-alives are watched
	rows    []row
}

func main() {
	// Processes that it measures against, or kills, are this program, too.
	for arg, act := range map[string]func() error{noopArg: serveNoop, noopHubArg: serveNoopHub, remoteArg: workRemotely, echoArg: serveEcho, pgHubArg: servePgHub} {
		if len(os.Args) == 2 && os.Args[1] == arg {
			if err := act(); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", arg, err)
				os.Exit(1)
			}
			return
		}
	}
	binary := flag.String("binary", "bin/agentbridge", "the program to measure")
	only := flag.String("only", "", "measure only these, with commas between: "+names())
	quick := flag.Bool("quick", false, "fewer samples: for a look, not for quoting")
	kept := flag.Duration("keepalive", 3*time.Minute, "how long keepalive lasts")
	dir := flag.String("dir", "", "where to work; the default is a new temporary directory")
	flag.Parse()
	b := &bench{program: workload.Program{Path: *binary, Env: []string{"AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=error"}, Stderr: os.Stderr}, quick: *quick, kept: *kept}
	if err := b.run(*only, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure is one part of the run.
type measure struct {
	name    string
	take    func(*bench, context.Context) error
	patient bool // it waits more than it works, so all of these run at once, at the end
}

var measures = []measure{
	{name: "start", take: (*bench).start},
	{name: "send", take: (*bench).send},
	{name: "redact", take: (*bench).redact},
	{name: "audit", take: (*bench).audit},
	{name: "task", take: (*bench).task},
	{name: "wake", take: (*bench).wake},
	{name: "crowd", take: (*bench).crowd},
	{name: "crash", take: (*bench).crash},
	{name: "team", take: (*bench).team},
	{name: "sweep", take: (*bench).sweep},
	{name: "reclaim", take: (*bench).reclaim},
	{name: "hub", take: (*bench).hub},
	{name: "waiting", take: (*bench).waiting},
	{name: "postgres", take: (*bench).postgres},
	{name: "scale", take: (*bench).scale},
	{name: "failover", take: (*bench).failover},
	{name: "matrix", take: (*bench).matrix},
	{name: "million", take: (*bench).million},
	{name: "idle", take: (*bench).idle, patient: true},
	{name: "remote", take: (*bench).remote, patient: true},
	{name: "keepalive", take: (*bench).keepalive, patient: true},
	{name: "torn", take: (*bench).torn, patient: true},
}

func names() string {
	var all []string
	for _, m := range measures {
		all = append(all, m.name)
	}
	return strings.Join(all, " ")
}

func (b *bench) run(only, dir string) (err error) {
	if b.program.Path, err = filepath.Abs(b.program.Path); err != nil {
		return err
	}
	if _, err := os.Stat(b.program.Path); err != nil {
		return fmt.Errorf("%w; build it with make build", err)
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "agentbridge-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	chosen := measures
	if only != "" {
		chosen = nil
		for name := range strings.SplitSeq(only, ",") {
			i := slices.IndexFunc(measures, func(m measure) bool { return m.name == name })
			if i < 0 {
				return fmt.Errorf("there is no measure %q; choose from: %s", name, names())
			}
			chosen = append(chosen, measures[i])
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute+b.kept)
	defer cancel()
	var wg sync.WaitGroup
	parts, faults := make([]bench, len(chosen)), make([]error, len(chosen))
	for i, m := range chosen {
		if !m.patient {
			parts[i], faults[i] = b.part(ctx, m, dir)
		}
	}
	for i, m := range chosen {
		if m.patient {
			wg.Go(func() { parts[i], faults[i] = b.part(ctx, m, dir) })
		}
	}
	wg.Wait()
	for _, part := range parts {
		b.rows = append(b.rows, part.rows...)
	}
	return errors.Join(append(faults, b.print())...)
}

// part takes one measure in a directory of its own.
func (b *bench) part(ctx context.Context, m measure, dir string) (part bench, err error) {
	part = *b
	part.program.Data = filepath.Join(dir, m.name)
	if err := os.Mkdir(part.program.Data, 0o700); err != nil {
		return part, err
	}
	start := time.Now()
	fmt.Fprintf(os.Stderr, "measuring %s …\n", m.name)
	if err := m.take(&part, ctx); err != nil {
		return part, fmt.Errorf("%s: %w", m.name, err)
	}
	fmt.Fprintf(os.Stderr, "measured %s in %.0f s\n", m.name, time.Since(start).Seconds())
	return part, nil
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

// progress tells on a terminal how far something of many parts has come.
func progress(format string, of int) func(n int) {
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(n int) {
		end := "\r"
		if n >= of {
			end = "\n"
		}
		fmt.Fprintf(os.Stderr, "\x1b[2K"+format+end, n, of)
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
