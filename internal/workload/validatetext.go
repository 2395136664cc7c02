package workload

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// figure is a value in its unit, for people.
func figure(v float64, unit string) string {
	switch {
	case unit == "ms" && math.Abs(v) < 1000:
		return strings.TrimSuffix(strings.TrimSuffix(fmt.Sprintf("%.2f", v), "0"), ".0") + " ms"
	case unit == "ms" && v < 100_000:
		return fmt.Sprintf("%.3g s", v/1000)
	case unit == "ms":
		return fmt.Sprintf("%.3g min", v/minute)
	case unit == "%":
		return fmt.Sprintf("%.4g %%", v)
	}
	return fmt.Sprintf("%.6g", v)
}

// Here is what was measured, for people.
func (m MeasureResult) Here() string {
	text := figure(m.Value, m.Unit)
	switch {
	case m.Observations+m.Least == 0:
		return "not measured"
	case m.Observations < m.Least:
		text += fmt.Sprintf(", of %d observations only", m.Observations)
	case m.Fold != Count && m.Observations > 1:
		text += fmt.Sprintf(" of %d", m.Observations)
	}
	return text
}

// Wanted is the target, for people; a dash where there is none.
func (m Measure) Wanted() string {
	if m.Op == "" {
		return "–"
	}
	return m.Op + " " + figure(m.Target, m.Unit)
}

func dashed(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// Verdict is a report in one sentence.
func (r ValidateReport) Verdict() string {
	passed, failed, left := 0, 0, 0
	for _, row := range r.Rows {
		switch row.State {
		case Passed:
			passed++
		case Failed:
			failed++
		default:
			left++
		}
	}
	text := fmt.Sprintf("%d of %d rows passed", passed, passed+failed)
	if left > 0 {
		text += fmt.Sprintf(", %d left out", left)
	}
	return text + fmt.Sprintf(", in %s", r.Ended.Sub(r.Began))
}

// Timers says how the timers were, for people.
func (r ValidateReport) Timers() string {
	if r.Compression == 1 {
		return "in real time"
	}
	return fmt.Sprintf("timers, and the targets that are of them, compressed %g times", r.Compression)
}

// ReportHead is the head of [ValidateReport.Lines].
var ReportHead = []string{"ROW", "WHAT", "HERE", "TARGET", "SEED'S TARGET", "THE SEED"}

// Lines is the report as the lines of a table: its rows, each with its measures. Whoever asked for some rows does not see the others.
func (r ValidateReport) Lines() (lines [][]string) {
	for _, row := range r.Rows {
		if row.Why == notAskedFor {
			continue
		}
		state := row.State
		if row.Why != "" {
			state += ": " + row.Why
		}
		lines = append(lines, []string{row.ID, row.Title, state, "", "", ""})
		for _, m := range row.Measures {
			here := m.Here()
			if !m.Passed {
				here = "FAILED " + here
			}
			lines = append(lines, []string{"", "  " + m.Says, here, m.Wanted(), dashed(m.SeedTarget), dashed(m.SeedResult)})
		}
	}
	return lines
}

// Markdown is the report as a document.
func (r ValidateReport) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# agentbridge validate\n\n%s, %s. Protocol %s. Deployment: %s. Begun %s.\n\n", r.Verdict(), r.Timers(), r.Protocol, cell(r.Deployment), r.Began.Format(time.RFC3339))
	b.WriteString("| row | what | here | target | seed's target | the seed |\n|---|---|---|---|---|---|\n")
	for _, line := range r.Lines() {
		for i := range line {
			line[i] = cell(strings.TrimSpace(line[i]))
		}
		if line[0] != "" {
			line[1], line[2] = "**"+line[1]+"**", "**"+line[2]+"**"
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(line, " | "))
	}
	return b.String()
}

// cell is a text that fits into a table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(text)
}

// ProtocolTable is the protocol for people: what is done in each row, and what passes.
func ProtocolTable() string {
	var b strings.Builder
	for _, row := range Protocol() {
		fmt.Fprintf(&b, "### %s: %s\n\n%s\n\n| measure | series | figure | passes | at least | seed's target | the seed |\n|---|---|---|---|---|---|---|\n", row.ID, row.Title, row.Done)
		for _, m := range row.Measures {
			wanted := m.Wanted()
			if m.Timed {
				wanted += ", divided by the compression"
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %d observations | %s | %s |\n", m.Says, m.Series, m.Fold, cell(wanted), m.Least, cell(dashed(m.SeedTarget)), cell(dashed(m.SeedResult)))
		}
		b.WriteString("\n")
	}
	return strings.TrimSpace(b.String()) + "\n"
}
