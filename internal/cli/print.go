package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"agentbridge/internal/bridge"
)

// answer prints v as JSON where --json was given, and otherwise what words prints.
func (p *program) answer(v any, words func()) error {
	if p.json {
		return p.encode(v)
	}
	words()
	return nil
}

// encode prints a value as one line of JSON.
func (p *program) encode(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	return written(enc.Encode(v))
}

// written says what to do where stdout takes no more.
func written(err error) error {
	if err == nil {
		return nil
	}
	return bridge.Errorf(bridge.Unavailable, "write to stdout: %w", err).WithHint("whatever reads the output must read it to its end")
}

// flush brings what was printed to its reader. Where there is none any more, that is a failure: the answer was not given.
func (p *program) flush() error {
	return written(p.out.Flush())
}

func (p *program) printf(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }

// tell says something beside the answer, after what was answered so far.
func (p *program) tell(format string, args ...any) {
	p.out.Flush() // its error stays and is told by flush
	fmt.Fprintf(p.stderr, format+"\n", args...)
}

// table prints rows in aligned columns. The first row is the head.
func (p *program) table(rows ...[]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		text := strings.TrimRight(line.String(), " ")
		if n == 0 {
			text = p.style(bold, text)
		}
		p.printf("%s\n", text)
	}
}

// Styles, as terminals know them.
const (
	bold   = "1"
	red    = "31"
	yellow = "33"
	dim    = "2"
)

// style colours a text on a terminal, and nowhere else.
func (p *program) style(code, text string) string {
	if text == "" || !isTerminal(p.stdout) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// clock shows a moment in local time, with the day where it is not today.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t = t.Local()
	if y, m, d := time.Now().Date(); t.Year() == y && t.Month() == m && t.Day() == d {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// when shows a moment and how far it is: 14:02:09 (in 2h59m).
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return clock(t) + " (" + distance(time.Until(t)) + ")"
}

// distance is how far a moment is.
func distance(d time.Duration) string {
	switch {
	case max(d, -d) < time.Second:
		return "now"
	case d < 0:
		return rough(-d) + " ago"
	}
	return "in " + rough(d)
}

// old is how long something has lasted.
func old(now, since time.Time) string { return rough(max(0, now.Sub(since))) }

// rough is a duration in the units that matter.
func rough(d time.Duration) string {
	switch {
	case d < time.Minute:
		d = d.Round(time.Second)
	case d < 24*time.Hour:
		d = d.Round(time.Minute)
	default:
		d = d.Round(24 * time.Hour)
	}
	return showDuration(d)
}

// dash stands for nothing.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// line makes one line of a text, cut to a width.
func line(text string, width int) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return text
}
