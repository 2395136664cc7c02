package bridge

import (
	"fmt"
	"strings"
	"time"
)

// Window allows Max charges in any span of Per, however it is laid. The zero Window allows all.
type Window struct {
	Max int
	Per time.Duration
}

func (w Window) String() string { return fmt.Sprintf("%d %s", w.Max, span(w.Per)) }

// ChargeKind says which budget a charge goes against.
type ChargeKind string

// The kinds of charges.
const (
	Write      ChargeKind = "write"   // a message sent
	Change     ChargeKind = "change"  // a status said; a task added, assigned, cancelled, released or its lease renewed
	Read       ChargeKind = "read"    // a call that only looks, a check or a claim
	Creation   ChargeKind = "create"  // a call that creates a conversation or a child token, or invites
	Invitation ChargeKind = "invite"  // an invite made
	Joining    ChargeKind = "join"    // a try to join
	Failure    ChargeKind = "failure" // a token or a code that is not good
)

// said is what charges of a kind are called in a refusal.
var said = map[ChargeKind]string{
	Write: "messages", Change: "changes of status and tasks", Read: "reads", Creation: "calls that create or invite",
	Invitation: "invites", Joining: "tries to join", Failure: "tokens and codes that are not good",
}

// Share says who has a budget of its own.
type Share string

// The shares.
const (
	EachMember  Share = "member"  // an agent in one conversation
	EachAgent   Share = "agent"   // in all its conversations
	EachAddress Share = "address" // of the network: see [Origin]; processes of this machine have none
	Everybody   Share = "all"     // one budget for the whole store
)

// Budget bounds what one holder is charged of one kind: by each window that is not zero, the shortest first.
type Budget struct {
	Kind    ChargeKind
	Of      Share
	Windows [3]Window
}

// Limits are all budgets there are. A charge that no budget bounds is free.
type Limits struct {
	Name    string // as configured: default, strict, off
	Budgets [11]Budget
}

const day = 24 * time.Hour

// The configurable limits; doc/decisions/0019-limits.md says why these. Strict gives the seed's budget of messages. That seed bounded
// nothing else, so nothing else takes from it.
var (
	DefaultLimits = Limits{"default", [11]Budget{
		{Write, EachMember, [3]Window{{100, time.Minute}, {500, time.Hour}, {2000, day}}},
		{Change, EachMember, [3]Window{{100, time.Minute}, {500, time.Hour}, {2000, day}}},
		{Read, EachAgent, [3]Window{{600, time.Minute}}},
		{Creation, EachAgent, [3]Window{{30, time.Minute}, {200, time.Hour}}},
		{Creation, EachAddress, [3]Window{{120, time.Minute}, {1000, time.Hour}}},
		{Invitation, EachAgent, [3]Window{{200, time.Minute}, {1000, time.Hour}}},
		{Joining, EachAgent, [3]Window{{30, time.Minute}, {200, time.Hour}}},
		{Joining, EachAddress, [3]Window{{120, time.Minute}, {1000, time.Hour}}},
		{Failure, EachAgent, [3]Window{{20, time.Minute}, {100, time.Hour}}},
		{Failure, EachAddress, [3]Window{{20, time.Minute}, {100, time.Hour}}},
		{Failure, Everybody, [3]Window{{300, time.Minute}, {3000, time.Hour}}},
	}}
	StrictLimits = Limits{"strict", [11]Budget{
		{Write, EachMember, [3]Window{{10, time.Minute}, {100, time.Hour}, {500, day}}},
		{Change, EachMember, [3]Window{{10, time.Minute}, {100, time.Hour}, {500, day}}},
		{Read, EachAgent, [3]Window{{600, time.Minute}}},
		{Creation, EachAgent, [3]Window{{10, time.Minute}, {50, time.Hour}}},
		{Creation, EachAddress, [3]Window{{60, time.Minute}, {300, time.Hour}}},
		{Invitation, EachAgent, [3]Window{{100, time.Minute}, {300, time.Hour}}},
		{Joining, EachAgent, [3]Window{{10, time.Minute}, {50, time.Hour}}},
		{Joining, EachAddress, [3]Window{{60, time.Minute}, {300, time.Hour}}},
		{Failure, EachAgent, [3]Window{{10, time.Minute}, {50, time.Hour}}},
		{Failure, EachAddress, [3]Window{{10, time.Minute}, {50, time.Hour}}},
		{Failure, Everybody, [3]Window{{300, time.Minute}, {3000, time.Hour}}},
	}}
	NoLimits = Limits{Name: "off"}
)

// of finds the budget of an account. It is the zero Budget where nothing bounds the account.
func (l *Limits) of(a Account) *Budget {
	share := a.share()
	for i := range l.Budgets {
		if b := &l.Budgets[i]; b.Kind == a.Kind && b.Of == share {
			return b
		}
	}
	return &Budget{}
}

// What names what the budget bounds: messages.
func (b Budget) What() string { return said[b.Kind] }

// keep is how many charges the longest look back reaches.
func (b *Budget) keep() (n int) {
	for _, w := range b.Windows {
		n = max(n, w.Max)
	}
	return n
}

// String is the budget in words: 10 a minute, 100 an hour.
func (b Budget) String() string {
	var parts []string
	for _, w := range b.Windows {
		if w.Max > 0 {
			parts = append(parts, w.String())
		}
	}
	return strings.Join(parts, ", ")
}

// longestWindow is how long any charge may count, also by the limits of another process on the same store.
func (l *Limits) longestWindow() (longest time.Duration) {
	for _, limits := range []*Limits{l, &DefaultLimits, &StrictLimits} {
		for _, b := range limits.Budgets {
			for _, w := range b.Windows {
				longest = max(longest, w.Per)
			}
		}
	}
	return longest
}

// span is a window's length in words.
func span(d time.Duration) string {
	switch d {
	case time.Minute:
		return "a minute"
	case time.Hour:
		return "an hour"
	case day:
		return "a day"
	}
	return "in " + d.String()
}
