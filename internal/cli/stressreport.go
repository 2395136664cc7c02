package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// stressReport prints what came of a run.
func (p *program) stressReport(rep workload.StressReport, w stressWish) {
	for _, f := range rep.Facts() {
		p.printf("%s  %s\n", p.style(bold, fmt.Sprintf("%-10s", f.What)), f.Says)
	}
	if w.preset == "seed" {
		rows := [][]string{{"BESIDE THE SEED", "ITS TARGET", "THE SEED", "HERE"}}
		for _, r := range rep.SeedRows() {
			rows = append(rows, []string{r.What, r.Target, r.Seed, r.Here})
		}
		p.printf("\n")
		p.table(rows...)
	}
	switch {
	case rep.Interrupted:
		p.printf("\ninterrupted: this is what was done until then\n")
	case rep.Kept():
		p.printf("\nall promises kept\n")
	}
	if w.keep != "" {
		p.printf("look inside: agentbridge --data %s status\n", w.keep)
	}
}

// writeReports writes the files that the flags name.
func (p *program) writeReports(rep workload.StressReport, w stressWish) error {
	title, seed := "agentbridge stress", w.preset == "seed"
	if w.preset != "" {
		title += " --preset " + w.preset
	}
	picture := rep.Latencies.Histogram("latency of a send, from when it was due")
	files := map[string]string{}
	if w.markdown != "" {
		svg := strings.TrimSuffix(w.markdown, filepath.Ext(w.markdown)) + ".svg"
		files[w.markdown], files[svg] = rep.Markdown(title, filepath.Base(svg), seed), picture
	}
	if w.report != "" {
		if err := os.MkdirAll(w.report, 0o755); err != nil {
			return unwritten(err)
		}
		figures, err := json.MarshalIndent(rep, "", "  ")
		if err != nil {
			return err
		}
		for name, text := range map[string]string{
			"report.md": rep.Markdown(title, "latency.svg", seed), "report.json": string(figures) + "\n", "latency.svg": picture,
		} {
			files[filepath.Join(w.report, name)] = text
		}
		if err := writeSamples(filepath.Join(w.report, "samples.csv"), rep); err != nil {
			return unwritten(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return unwritten(err)
		}
	}
	return nil
}

// writeSamples writes every measured duration, in milliseconds.
func writeSamples(path string, rep workload.StressReport) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b := bufio.NewWriter(f)
	fmt.Fprintln(b, "what,ms")
	for _, s := range []struct {
		what   string
		sample workload.Sample
	}{{"send", rep.Latencies}, {"arrival", rep.Wakes}, {"fsync", rep.Fsync}} {
		for _, d := range s.sample {
			fmt.Fprintf(b, "%s,%.3f\n", s.what, d.Seconds()*1000)
		}
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func unwritten(err error) error {
	return bridge.Errorf(bridge.Unavailable, "write the report: %w", err).WithHint("the run is over; name a place that can be written to")
}
