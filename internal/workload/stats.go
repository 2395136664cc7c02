package workload

import (
	"slices"
	"strings"
	"time"
)

// Sample is a set of measured durations.
type Sample []time.Duration

// At is the duration that a share q of the sample, 0 to 1, does not exceed: 0.5 is the median. Zero for an empty sample.
func (s Sample) At(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// Time measures one call.
func (s *Sample) Time(call func() error) error {
	start := time.Now()
	err := call()
	*s = append(*s, time.Since(start))
	return err
}

// Unframed is a message's text without the frame that a client sees it in.
func Unframed(text string) string {
	lines := strings.Split(text, "\n")
	if len(lines) < 3 {
		return text
	}
	return strings.Join(lines[1:len(lines)-1], "\n")
}
