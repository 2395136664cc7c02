package workload

import (
	"fmt"
	"strings"
	"time"
)

// Fact is one thing that a report says, and what it is about.
type Fact struct{ What, Says string }

// Facts is the report for people, a line for each thing.
func (r StressReport) Facts() []Fact {
	send, wake := r.Latencies.Spread(), r.Wakes.Spread()
	lines := []Fact{
		{"load", r.load()},
		{"sent", fmt.Sprintf("%d messages, %d refused%s", r.Sent, r.Refused, tally(r.Refusals))},
		{"delivered", fmt.Sprintf("%d of %d: %d lost, %d duplicated, %d out of order; %d reads", r.Delivered, r.Delivered+r.Lost, r.Lost, r.Duplicated, r.OutOfOrder, r.Reads)},
		{"send", fmt.Sprintf("mean %s ± %s, min %s, p50 %s, p99 %s, max %s", short(send.Mean), short(send.Deviation), short(send.Min), short(send.P50), short(send.P99), short(send.Max))},
		{"arrival", fmt.Sprintf("mean %s, p50 %s, p99 %s, max %s at the recipient", short(wake.Mean), short(wake.P50), short(wake.P99), short(wake.Max))},
		{"throughput", fmt.Sprintf("%.1f messages/s in %.1f s", r.Throughput(), r.Span.Seconds())},
	}
	if r.Unknown+r.Backlog > 0 {
		lines = append(lines, Fact{"open", fmt.Sprintf("%d messages whose outcome nobody knows, %d that were due and not begun", r.Unknown, r.Backlog)})
	}
	if len(r.Fsync) > 0 {
		disk := r.Fsync.Spread()
		floor := fmt.Sprintf("before the load, one write of 4 KB and its fsync on this disk: mean %s, p99 %s", short(disk.Mean), short(disk.P99))
		if len(r.Pings) > 0 {
			ping := r.Pings.Spread()
			floor += fmt.Sprintf("; a ping of the client to its process: mean %s, p99 %s", short(ping.Mean), short(ping.P99))
		}
		lines = append(lines, Fact{"floor", floor})
	}
	switch {
	case r.Integrity == Unchecked:
		lines = append(lines, Fact{"log", "at the hub: agentbridge audit verify checks it there"})
	default:
		lines = append(lines, Fact{"log", fmt.Sprintf("%s, %d entries verified", r.Integrity, r.AuditEntries)},
			Fact{"database", fmt.Sprintf("%s, of which %s before the first message: %s for each, of %.0f characters",
				size(float64(r.DatabaseBytes)), size(float64(r.EmptyBytes)), size(r.PerMessage()), float64(r.Characters)/float64(max(1, r.Sent)))})
	}
	if len(r.Memory) > 0 {
		lines = append(lines, Fact{"memory", r.memoryLine()})
	}
	if s := r.Saturation; s != nil {
		lines = append(lines, Fact{"saturation", s.String()})
	}
	return lines
}

// load says what was played.
func (r StressReport) load() string {
	p := r.Plan
	text := fmt.Sprintf("1 coordinator and %d workers over %s in %d conversations, ", p.Agents-1, p.Transport, p.Conversations)
	if p.Rate > 0 {
		text += fmt.Sprintf("%.3g messages/s in all, ", p.Rate)
		if p.Round > 1 {
			text += fmt.Sprintf("in rounds of %d, ", p.Round)
		}
		text += "latency from when each was due"
	} else {
		text += "each as fast as it is answered"
	}
	if r.Interrupted {
		text += "; interrupted"
	}
	return text
}

// memoryLine shows a hub's memory at some moments of the run.
func (r StressReport) memoryLine() string {
	const most = 8
	var parts []string
	last := len(r.Memory) - 1
	for i := range min(most, len(r.Memory)) {
		m := r.Memory[i*last/max(1, min(most, len(r.Memory))-1)]
		parts = append(parts, fmt.Sprintf("%.0f MB at %s", float64(m.RSS)/1e6, m.At.Round(time.Second)))
	}
	return "hub: " + strings.Join(parts, ", ")
}

// SeedRow is a figure of the seed's stress test, beside ours.
type SeedRow struct{ What, Target, Seed, Here string }

// SeedRows is the table that the seed published of its 10-agent test, with this run's figures.
func (r StressReport) SeedRows() []SeedRow {
	send := r.Latencies.Spread()
	reliable := "–"
	if all := r.Delivered + r.Lost; all > 0 {
		reliable = fmt.Sprintf("%.4g%%", 100*float64(r.Delivered)/float64(all))
	}
	return []SeedRow{
		{"message latency, mean", "< 100 ms", "1.7 ms", short(send.Mean)},
		{"latency, range", "–", "0.8–3.5 ms", short(send.Min) + "–" + short(send.Max)},
		{"latency, deviation", "–", "± 1.4 ms", "± " + short(send.Deviation)},
		{"reliability", "100%", "100%", reliable},
		{"concurrent agents", "10", "10", fmt.Sprint(r.Plan.Agents)},
		{"conversations", "–", "9", fmt.Sprint(r.Plan.Conversations)},
		{"operations", "–", "482 in 94 s: 19 messages and 463 log lines", fmt.Sprintf("%d messages in %.0f s, and %d reads", r.Sent, r.Span.Seconds(), r.Reads)},
		{"delivery failures, duplicates", "0", "0, 0", fmt.Sprintf("%d, %d", r.Lost, r.Duplicated)},
		{"race conditions", "0", "0", fmt.Sprintf("%d out of order, %d other faults", r.OutOfOrder, len(r.Faults))},
		{"database integrity", "OK", "OK", r.Integrity},
		{"audit trail", "complete", "463 entries, not verifiable", fmt.Sprintf("%d entries, hashed and signed", r.AuditEntries)},
		{"database", "–", "80 KB", fmt.Sprintf("%s, %s before the first message", size(float64(r.DatabaseBytes)), size(float64(r.EmptyBytes)))},
	}
}

// Markdown is the report as a document. Histogram is where its picture is, as the document names it; empty: nowhere. Seed adds the seed's table.
func (r StressReport) Markdown(title, histogram string, seed bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", title)
	verdict := "Everything that was promised was kept."
	if !r.Kept() {
		verdict = "**Not everything that was promised was kept.**"
	}
	fmt.Fprintf(&b, "%s\n\n| what | |\n|---|---|\n", verdict)
	for _, l := range r.Facts() {
		fmt.Fprintf(&b, "| %s | %s |\n", l.What, l.Says)
	}
	if seed {
		b.WriteString("\n## Beside the seed\n\n| what | its target | the seed | here |\n|---|---|---|---|\n")
		for _, row := range r.SeedRows() {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.What, row.Target, row.Seed, row.Here)
		}
	}
	if histogram != "" {
		fmt.Fprintf(&b, "\n## How long a send took\n\n![latency of %d sends](%s)\n", r.Sent, histogram)
	}
	if len(r.Faults) > 0 {
		b.WriteString("\n## What was not as it must be\n\n")
		for _, f := range r.Faults {
			fmt.Fprintf(&b, "- %s\n", f)
		}
	}
	return b.String()
}

func tally(refusals map[string]int) string {
	if len(refusals) == 0 {
		return ""
	}
	var parts []string
	for code, n := range sorted(refusals) {
		parts = append(parts, fmt.Sprintf("%s %d", code, n))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// short is a duration in milliseconds, as exactly as it matters.
func short(d time.Duration) string {
	switch ms := d.Seconds() * 1000; {
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.0f ms", ms)
	}
}

// size is a number of bytes in the unit that fits.
func size(bytes float64) string {
	switch {
	case bytes < 10_000:
		return fmt.Sprintf("%.2f KB", bytes/1e3)
	case bytes < 1e6:
		return fmt.Sprintf("%.0f KB", bytes/1e3)
	default:
		return fmt.Sprintf("%.1f MB", bytes/1e6)
	}
}
