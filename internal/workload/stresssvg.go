package workload

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Histogram draws how a sample is spread, as SVG that stands alone: bars over a logarithmic scale of time, in colours that can be read on
// light and on dark ground. An empty sample gives an empty picture that says so.
func (s Sample) Histogram(title string) string {
	const width, height, left, right, top, bottom = 720, 320, 56, 16, 44, 48
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, height, escaped(title))
	b.WriteString(`<style>
  text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-size: 14px; font-weight: 600 }
  .bar { fill: #2f6fb3 } .line { stroke: #bbb } .mark { stroke: #b3541e; stroke-dasharray: 4 3 } .ground { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .bar { fill: #6aa6e0 } .line { stroke: #555 } .mark { stroke: #f0a060 } .ground { fill: #16191d }
  }
</style>` + "\n")
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="24">%s</text>`+"\n", left, escaped(title))
	if len(s) == 0 {
		fmt.Fprintf(&b, `<text x="%d" y="%d">nothing was measured</text>`+"\n</svg>\n", left, height/2)
		return b.String()
	}
	bins, first := s.bins()
	most := slices.Max(bins)
	wide, high := float64(width-left-right), float64(height-top-bottom)
	each := wide / float64(len(bins))
	for i, n := range bins {
		if n == 0 {
			continue
		}
		tall := max(1, high*float64(n)/float64(most))
		fmt.Fprintf(&b, `<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s to %s: %d</title></rect>`+"\n",
			left+float64(i)*each, top+high-tall, max(.5, each-1), tall, short(binStart(first+i)), short(binStart(first+i+1)), n)
	}
	fmt.Fprintf(&b, `<line class="line" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`+"\n", left, top+high, width-right, top+high)
	fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">%d</text><text x="%d" y="%.1f" text-anchor="end">0</text>`+"\n", left-6, top+10.0, most, left-6, top+high)
	for i := 0; i <= len(bins); i += max(1, (len(bins)+5)/6) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", left+float64(i)*each, top+high+18, short(binStart(first+i)))
	}
	for i, mark := range []struct {
		name string
		at   time.Duration
	}{{"p50", s.At(.5)}, {"p99", s.At(.99)}} {
		x := left + each*min(float64(len(bins)), max(0, binOf(mark.at)-float64(first)))
		fmt.Fprintf(&b, `<line class="mark" x1="%.1f" y1="%d" x2="%.1f" y2="%.1f"/>`, x, top-6, x, top+high)
		side := "start"
		if x > width/2 {
			side = "end" // so that it stays in the picture
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="%s">%s %s</text>`+"\n", x, height-17+14*i, side, mark.name, short(mark.at))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// binsADecade is how finely time is divided: ten bins from a millisecond to ten.
const binsADecade = 10

// binOf is where a duration is on the scale; bin n begins at binStart(n).
func binOf(d time.Duration) float64 {
	return binsADecade * math.Log10(float64(max(1, d))/float64(time.Microsecond))
}

func binStart(n int) time.Duration {
	return time.Duration(math.Pow(10, float64(n)/binsADecade) * float64(time.Microsecond))
}

// bins counts a sample that is not empty; first is the number of the first bin.
func (s Sample) bins() (counts []int, first int) {
	first = int(math.Floor(binOf(slices.Min(s))))
	counts = make([]int, int(math.Floor(binOf(slices.Max(s))))-first+1)
	for _, d := range s {
		counts[int(math.Floor(binOf(d)))-first]++
	}
	return counts, first
}

// escaped is a text fit for XML.
func escaped(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}

func sorted(m map[string]int) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
