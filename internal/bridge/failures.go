package bridge

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"
)

// FailedAuthentication counts that somebody from there came with a token that is not good. It returns nil while that may be
// said, and [RateLimited] once the address tried too often, or all addresses together did. Whoever comes with a good token is never
// asked for it: look at the token first, and call this only where [Service.Authenticate] said [Denied] or [Expired].
//
// What is over the budget costs no write. So a flood from one address writes as many rows as its budget has charges, and a flood from
// everywhere as many as everybody's, until the sweep forgets them. The log has a line an address in a minute at most.
func (s *Service) FailedAuthentication(ctx context.Context, origin Origin) error {
	holder := addressHolder(origin.Address)
	if holder == "" || s.conf.Limits.Name == NoLimits.Name {
		s.countRefusal("", Denied)
		return nil
	}
	tolls := []toll{{Account{Holder: holder, Kind: Failure}, 1}, {Account{Holder: everybody, Kind: Failure}, 1}}
	err := s.strangers.refuse(tolls)
	if err == nil {
		err = s.fail(ctx, tolls)
		s.strangers.note(err)
	}
	if times := s.strangers.toTell(holder); times > 0 {
		s.log.Warn("tokens that are not good", "address", strings.TrimPrefix(holder, addressMark), "times", times)
	}
	switch {
	case err == nil:
		s.countRefusal("", Denied)
	case errors.Is(err, RateLimited):
		s.countRefusal("", RateLimited)
	}
	return err
}

// fail charges a failure to all these accounts, or refuses.
func (s *Service) fail(ctx context.Context, tolls []toll) error {
	if s.conf.Limits.Name == NoLimits.Name {
		return nil
	}
	return s.store.Jot(ctx, Deployment, func(tx Tx) error { return s.charge(tx, tolls...) })
}

const (
	maxStrangers  = 1024        // addresses that are remembered
	strangerKnown = time.Second // how long a refusal stands without a look at the store, where another process or a clock may have changed it
	strangerEvery = time.Minute // between two lines in the log about an address
)

// strangers remembers who is over the budget of failures, to spare the store the rest of a flood. It may forget: the store knows. Its
// zero value remembers nobody.
type strangers struct {
	mu   sync.Mutex // guards seen
	seen map[string]*stranger
}

// stranger is what is remembered of a holder.
type stranger struct {
	refusal *Error        // what the store said last; nil: it refused nothing yet
	said    moment        // when
	free    time.Duration // so long after that the store would not refuse any more
	told    moment        // when the log last had a line about it
	untold  int           // failures since then
}

// stands reports whether what the store said may be repeated.
func (x *stranger) stands() bool {
	return x.refusal != nil && x.said.ago() < min(x.free, strangerKnown)
}

// refuse repeats what the store said of one of these accounts a moment ago.
func (s *strangers) refuse(tolls []toll) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tolls {
		if x := s.seen[t.Holder]; x != nil && x.stands() {
			again := *x.refusal
			return again.Retry(x.free - x.said.ago())
		}
	}
	return nil
}

// note remembers what the store said, if it refused.
func (s *strangers) note(err error) {
	over, ok := errors.AsType[overBudget](err)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.of(over.Holder)
	x.refusal, x.said, x.free = AsError(err), thisMoment(), over.free
}

// toTell counts a failure, and gives how many there were since the log last had a line about that address, if it is time for one.
func (s *strangers) toTell(holder string) (times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.of(holder)
	x.untold++
	if x.told.ago() < strangerEvery {
		return 0
	}
	times, x.told, x.untold = x.untold, thisMoment(), 0
	return times
}

// of finds a holder, or makes room for it: those of whom there is nothing to say any more go first, then anyone.
func (s *strangers) of(holder string) *stranger {
	if x := s.seen[holder]; x != nil {
		return x
	}
	if s.seen == nil {
		s.seen = map[string]*stranger{}
	}
	if len(s.seen) >= maxStrangers {
		maps.DeleteFunc(s.seen, func(_ string, x *stranger) bool {
			return !x.stands() && x.told.ago() >= strangerEvery
		})
	}
	for someone := range s.seen {
		if len(s.seen) < maxStrangers {
			break
		}
		delete(s.seen, someone)
	}
	x := &stranger{}
	s.seen[holder] = x
	return x
}
