package clients

import (
	"fmt"
	"strings"
)

const (
	diffContext = 2
	diffCells   = 4 << 20
	longLine    = 1000
)

// Diff shows a change as a unified diff does, with the file's name in front.
func (ch *Change) Diff() string {
	old, text := lines(string(ch.Before)), lines(string(ch.After))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n", pick(ch.there, ch.Path, "/dev/null"))
	fmt.Fprintf(&b, "+++ %s\n", pick(ch.After != nil, ch.Path, "/dev/null"))
	steps := compare(old, text)
	for i := 0; i < len(steps); {
		if steps[i].sign == ' ' {
			i++
			continue
		}
		from := max(0, i-diffContext)
		to, still := i, 0
		for ; to < len(steps) && still <= 2*diffContext; to++ {
			if still++; steps[to].sign != ' ' {
				still = 0
			}
		}
		to -= max(0, still-diffContext)
		hunk, olds, news := steps[from:to], 0, 0
		for _, s := range hunk {
			if s.sign != '+' {
				olds++
			}
			if s.sign != '-' {
				news++
			}
		}
		fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@\n", hunk[0].old+min(olds, 1), olds, hunk[0].new+min(news, 1), news)
		for i, s := range hunk {
			line := strings.TrimRight(s.line, "\r")
			if len(line) > longLine {
				line = shortened(hunk, i)
			}
			fmt.Fprintf(&b, "%c%s\n", s.sign, line)
		}
		i = to
	}
	return b.String()
}

// shortened is a long line, or what of it differs from the line that it stands for or that stands for it. Nothing beside that is shown:
// a piece of a key would not be known for one.
func shortened(hunk []step, i int) string {
	line, other := hunk[i].line, ""
	switch {
	case hunk[i].sign == '-' && i+1 < len(hunk) && hunk[i+1].sign == '+':
		other = hunk[i+1].line
	case hunk[i].sign == '+' && i > 0 && hunk[i-1].sign == '-':
		other = hunk[i-1].line
	default:
		return fmt.Sprintf("… (%d bytes)", len(line))
	}
	most := min(len(line), len(other))
	head, tail := 0, 0
	for head < most && line[head] == other[head] {
		head++
	}
	for tail < most-head && line[len(line)-1-tail] == other[len(other)-1-tail] {
		tail++
	}
	return "…" + strings.ToValidUTF8(line[head:len(line)-tail], "") + "…"
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

type step struct {
	sign     byte
	line     string
	old, new int // lines before it
}

// compare finds a shortest way from one list of lines to the other. What is too much to compare is all replaced.
func compare(a, b []string) (steps []step) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	x, y := 0, 0
	emit := func(sign byte) {
		line := ""
		if sign == '+' {
			line = b[y]
		} else {
			line = a[x]
		}
		steps = append(steps, step{sign, line, x, y})
		if sign != '+' {
			x++
		}
		if sign != '-' {
			y++
		}
	}
	for x < head {
		emit(' ')
	}
	endA, endB := len(a)-tail, len(b)-tail
	n, m := endA-head, endB-head
	var common [][]int32 // common[i][j]: the longest common part of what is left from there on
	if (n+1)*(m+1) <= diffCells {
		common = make([][]int32, n+1)
		for i := range common {
			common[i] = make([]int32, m+1)
		}
		for i := n - 1; i >= 0; i-- {
			for j := m - 1; j >= 0; j-- {
				if a[head+i] == b[head+j] {
					common[i][j] = common[i+1][j+1] + 1
				} else {
					common[i][j] = max(common[i+1][j], common[i][j+1])
				}
			}
		}
	}
	for x < endA || y < endB {
		switch i, j := x-head, y-head; {
		case x < endA && y < endB && a[x] == b[y] && common != nil:
			emit(' ')
		case x < endA && (y == endB || common == nil || common[i+1][j] >= common[i][j+1]):
			emit('-')
		case y < endB:
			emit('+')
		default:
			emit('-')
		}
	}
	for x < len(a) {
		emit(' ')
	}
	return steps
}
