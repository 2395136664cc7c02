package bridge

import (
	"cmp"
	"context"
	"net/netip"
	"strings"
	"time"
)

// Account is whose budget is charged: an agent's, in a conversation or, where Conversation is empty, outside of any; an address's; or
// everybody's.
type Account struct {
	Conversation ConversationID
	Holder       string // the agent's id, what addressHolder gives, or everybody
	Kind         ChargeKind
}

const (
	addressMark = "addr:"
	everybody   = "everybody"
)

// share is whom the account's budget is for.
func (a Account) share() Share {
	switch {
	case a.Conversation != "":
		return EachMember
	case strings.HasPrefix(a.Holder, addressMark):
		return EachAddress
	case a.Holder == everybody:
		return Everybody
	}
	return EachAgent
}

// addressHolder is the holder of a network address; empty for no address, which is a process of this machine. Of IPv6 the first half
// counts, because whoever has one address there has all that share it. What is no address has one budget together.
func addressHolder(address string) string {
	if address == "" {
		return ""
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return addressMark + "unknown"
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() || ip.IsLoopback() {
		return addressMark + ip.String()
	}
	half, err := ip.Prefix(64)
	if err != nil {
		return addressMark + "unknown"
	}
	return addressMark + half.String()
}

// toll is what a call costs an account.
type toll struct {
	Account
	n int
}

// tolls are what a call costs the caller and the address it comes from.
func (c Caller) tolls(kind ChargeKind) []toll {
	list := []toll{{Account{Holder: string(c.cred.agent), Kind: kind}, 1}}
	if holder := addressHolder(c.Address); holder != "" {
		list = append(list, toll{Account{Holder: holder, Kind: kind}, 1})
	}
	return list
}

// charge takes tolls in this transaction, all or none: it refuses with [RateLimited] and the time from which all can be taken. What
// is refused is not charged, so that trying again makes nobody wait longer.
//
// It is a sliding log: the charge that is Max back must be older than Per, so no span of Per ever holds more than Max. A token
// bucket beside it would refuse nothing more: see doc/decisions/0003-sliding-log.md.
func (s *Service) charge(tx Tx, tolls ...toll) error {
	var last [4]int64
	var refusal *Error
	for i, t := range tolls {
		n, no, err := s.weigh(tx, t)
		if err != nil {
			return err
		}
		last[i], refusal = n, later(refusal, no)
	}
	if refusal != nil {
		return refusal
	}
	for i, t := range tolls {
		keep := s.conf.Limits.of(t.Account).keep()
		for k := 0; k < t.n && keep > 0; k++ {
			if err := tx.Charge(t.Account, last[i]+int64(k), keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// weigh looks whether a toll can be taken now: no says why not. Last is the number of the account's last charge.
func (s *Service) weigh(tx Tx, t toll) (last int64, no *Error, err error) {
	b := s.conf.Limits.of(t.Account)
	var back [len(b.Windows)]int
	windows := 0
	for _, w := range b.Windows {
		if w.Max == 0 {
			break
		}
		if t.n > w.Max {
			return 0, nil, Errorf(Invalid, "%d %s at once, and %s are allowed", t.n, said[t.Kind], w).WithHint("do it in parts")
		}
		back[windows] = w.Max + 1 - t.n
		windows++
	}
	if windows == 0 {
		return 0, nil, nil
	}
	last, at, err := tx.Charges(t.Account, back[:windows]...)
	if err != nil {
		return 0, nil, err
	}
	now := tx.Now() // as [Tx.Charge] will note it
	for i, w := range b.Windows[:windows] {
		// A charge that lies far ahead was made before the clock was set back; nobody knows how long ago, so it does not count.
		if at[i].IsZero() || at[i].Sub(now) > jump {
			continue
		}
		if free := min(at[i].Add(w.Per).Sub(now), w.Per); free > 0 {
			no = later(no, overBudget{t.Account, w, b.Of, free}.refusal())
		}
	}
	return last, no, nil
}

// overBudget says which window of an account is full, and for how long.
type overBudget struct {
	Account
	full Window
	of   Share
	free time.Duration // from now
}

func (o overBudget) Error() string { return "the budget of " + string(o.of) + " is spent" }

// refusal tells the caller: more than 10 messages a minute.
func (o overBudget) refusal() *Error {
	e := Errorf(RateLimited, "more than %d %s %s%s", o.full.Max, said[o.Kind], span(o.full.Per), from[o.of]).
		WithHint("%s", cmp.Or(ways[o.Kind], "wait, then do the same again")).Retry(o.free)
	e.cause = o
	return e
}

// from says in a refusal whose budget is spent where it is not the caller's own.
var from = map[Share]string{EachAddress: " from one address", Everybody: " from everywhere"}

// ways are the ways out of a refusal, where there is more to say than to wait.
var ways = map[ChargeKind]string{
	Write:      "wait, then do the same again; put several things into one message",
	Read:       "wait, then do the same again; wait_seconds saves calls",
	Creation:   "wait, then do the same again; one call can invite several partners",
	Failure:    "wait, and find out first which token or code is the right one; what is good is not refused",
	Invitation: "wait, then invite the others",
}

// later gives of two refusals the one that lasts longer.
func later(a, b *Error) *Error {
	if a == nil || b != nil && b.RetryAfter > a.RetryAfter {
		return b
	}
	return a
}

// admit charges a call that makes or takes seats to the agent and to its address, and notes that it is there. Whoever tries pays,
// whatever becomes of it. The scope is the deployment's, because these accounts are in no other's alone.
func (s *Service) admit(ctx context.Context, c Caller, tolls []toll) error {
	if s.conf.Limits.Name != NoLimits.Name {
		err := s.store.Jot(ctx, Deployment, func(tx Tx) error {
			if _, err := s.authorise(tx, c); err != nil {
				return err
			}
			return s.charge(tx, tolls...)
		})
		if err != nil {
			return err
		}
	}
	s.seen(ctx, c)
	return nil
}
