package workload

import (
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// A judge that finds nothing proves nothing: each rule is broken once here.
func TestJudge_FindsEachBreach(t *testing.T) {
	const second = moment(time.Second)
	type call struct {
		event
		how          outcome
		call, answer moment
	}
	const lost = outcome(bridge.LeaseLost)
	claim := func(token int64, at moment) call { return call{event{what: claimed, token: token}, done, at, at + 1} }
	complete := func(token int64, how outcome, at moment) call {
		return call{event{what: bridge.CompleteTask, token: token}, how, at, at + 1}
	}
	renew := func(token int64, how outcome, at moment) call {
		return call{event{what: bridge.RenewTask, token: token}, how, at, at + 1}
	}
	death := func(token int64, at moment) call { return call{event{what: orphan, token: token}, done, at, at + 1} }
	release := call{event{what: bridge.ReleaseTask, token: 1}, done, 5, 6}
	tests := []struct {
		name  string
		calls []call // the lease is ten seconds
		legal bool
	}{
		{"done", []call{claim(1, 0), complete(1, done, 5)}, true},
		{"done twice with one token", []call{claim(1, 0), complete(1, done, 5), complete(1, done, 7)}, true},
		{"done by nobody", []call{complete(1, done, 5)}, false},
		{"two holders", []call{claim(1, 0), claim(2, 5)}, false},
		{"claimed again after the lease", []call{claim(1, 0), claim(2, 11*second)}, true},
		{"claimed again before its renewed end", []call{claim(1, 0), renew(1, done, 5*second), claim(2, 12*second)}, false},
		{"renewed, or not", []call{claim(1, 0), renew(1, unknown, 5*second), complete(1, done, 12*second)}, true},
		{"claimed again after a death", []call{claim(1, 0), death(1, 3), claim(2, 5)}, true},
		{"claimed again after a release", []call{claim(1, 0), release, claim(2, 7)}, true},
		{"the token stood still", []call{claim(2, 0), death(2, 3), claim(2, 5)}, false},
		{"the token shrank", []call{claim(2, 0), death(2, 3), claim(1, 5)}, false},
		{"a late write taken", []call{claim(1, 0), complete(1, done, 11*second)}, false},
		{"a late write refused", []call{claim(1, 0), complete(1, lost, 11*second)}, true},
		{"a dead holder's write taken", []call{claim(1, 0), death(1, 3), renew(1, done, 5)}, false},
		{"an overtaken write taken", []call{claim(1, 0), death(1, 3), claim(2, 5), complete(1, done, 7)}, false},
		{"a holder's write refused", []call{claim(1, 0), complete(1, lost, 5)}, false},
		{"a second end", []call{claim(1, 0), complete(1, done, 5), claim(2, 11*second)}, false},
		{"done or not, then done", []call{claim(1, 0), complete(1, unknown, 5), death(1, 7), complete(1, done, 9)}, true},
		{"not done, then lost", []call{claim(1, 0), complete(1, unknown, 5), death(1, 7), complete(1, lost, 9), claim(2, 11)}, true},
		{"done and lost", []call{claim(1, 0), complete(1, done, 5), complete(1, lost, 9)}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHistory(10 * time.Second)
			for _, c := range test.calls {
				h.note("task", c.event, c.how, c.call, c.answer)
			}
			if found := h.judge(); (len(found) == 0) != test.legal {
				t.Errorf("legal = %t, want %t: %q", len(found) == 0, test.legal, found)
			}
		})
	}
}
