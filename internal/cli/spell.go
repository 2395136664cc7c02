package cli

import (
	"math"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// parseDuration reads what [time.ParseDuration] reads, and days before it: 45s, 3h, 30d, 1d12h.
func parseDuration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	const day, most = 24 * time.Hour, uint64(math.MaxInt64 / (24 * time.Hour))
	none := bridge.Errorf(bridge.Invalid, "%q is not a duration", s).WithHint("write it like 45s, 10m, 3h or 30d")
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil || n > most {
		return 0, none
	}
	d := time.Duration(n) * day
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if more > math.MaxInt64-d {
		return 0, none
	}
	return d + more, err
}

// showDuration writes a duration as people do: 45s, 3h, 30d.
func showDuration(d time.Duration) string {
	if days := d / (24 * time.Hour); days >= 2 && d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(days)) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// nearest gives the word that is the fewest edits away from what was typed; none if that is more than about a third of it.
func nearest(typed string, words []string) string {
	best, least := "", len(typed)/3+1
	for _, w := range words {
		if d := edits(typed, w); d <= least {
			best, least = w, d-1
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
