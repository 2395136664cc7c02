package bridge

import (
	"time"
)

// Window allows Max charges in any span of Per, however it is laid.
type Window struct {
	Max int
	Per time.Duration
}

// Limits are the budgets of members and agents; nil windows mean no limit.
type Limits struct {
	Name   string // as configured: default, strict, off
	Writes [3]Window
	Reads  [1]Window
}

// The configurable limits. Strict is the seed's.
var (
	DefaultLimits = Limits{"default", [3]Window{{100, time.Minute}, {500, time.Hour}, {2000, 24 * time.Hour}}, [1]Window{{600, time.Minute}}}
	StrictLimits  = Limits{"strict", [3]Window{{10, time.Minute}, {100, time.Hour}, {500, 24 * time.Hour}}, [1]Window{{600, time.Minute}}}
	NoLimits      = Limits{Name: "off"}
)

func (l Limits) windows(kind ChargeKind) []Window {
	if l.Name == NoLimits.Name {
		return nil
	}
	if kind == Read {
		return l.Reads[:]
	}
	return l.Writes[:]
}

// charge takes one from an account in this transaction, or refuses with [RateLimited] and the time when one will be free.
//
// It is a sliding log: the charge that is Max back must be older than Per, so no span of Per ever holds more than Max. A token
// bucket beside it would refuse nothing more: see doc/decisions/0003-sliding-log.md.
func (s *Service) charge(tx Tx, a Account) error {
	now := tx.Now() // as [Tx.Charge] will note it
	windows := s.conf.Limits.windows(a.Kind)
	if len(windows) == 0 {
		return nil
	}
	back := make([]int, len(windows))
	for i, w := range windows {
		back[i] = w.Max
	}
	n, at, err := tx.Charges(a, back...)
	if err != nil {
		return err
	}
	for i, w := range windows {
		// A charge that lies far ahead was made before the clock was set back; nobody knows how long ago, so it does not count.
		if at[i].IsZero() || at[i].Sub(now) > jump {
			continue
		}
		if free := min(at[i].Add(w.Per).Sub(now), w.Per); free > 0 {
			return Errorf(RateLimited, "more than %d %ss in %s", w.Max, a.Kind, span(w.Per)).
				WithHint("wait, then do the same again; put several things into one message").Retry(free)
		}
	}
	return tx.Charge(a, n, back[len(back)-1])
}

// span is a window's length in words.
func span(d time.Duration) string {
	switch d {
	case time.Minute:
		return "a minute"
	case time.Hour:
		return "an hour"
	case 24 * time.Hour:
		return "a day"
	}
	return d.String()
}
