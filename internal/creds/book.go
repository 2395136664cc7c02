package creds

import (
	"maps"
	"slices"
	"time"

	"agentbridge/internal/bridge"
)

// Book is what a machine keeps for itself: where the repository is, whom a person trusted, and what was taken already. Nothing in it
// comes from the repository unless a person named its fingerprint.
type Book struct {
	URL     string               `json:"url"`
	Branch  string               `json:"branch"`
	Trusted map[string]Machine   `json:"trusted,omitempty"` // by the name that this machine has for it
	Taken   map[string]time.Time `json:"taken,omitempty"`   // ids of invites, and when they may be forgotten
}

// Trust writes down a machine under a name of our own. A name that stands for another machine already is [bridge.Conflict] unless replace
// is set, and so is a second name for one machine.
func (b *Book) Trust(name string, m Machine, replace bool) error {
	known, ok := b.Trusted[name]
	if ok && !replace && known.Fingerprint() != m.Fingerprint() {
		return bridge.Errorf(bridge.Conflict, "%s is another machine already, with the fingerprint %s", name, known.Fingerprint()).
			WithHint("choose another name, or --replace if that machine has new keys")
	}
	for other, known := range b.Trusted {
		if other != name && known.Fingerprint() == m.Fingerprint() {
			return bridge.Errorf(bridge.Conflict, "that machine is trusted already, as %s", other).WithHint("agentbridge creds forget %s first, to call it otherwise", other)
		}
	}
	if b.Trusted == nil {
		b.Trusted = map[string]Machine{}
	}
	b.Trusted[name] = m
	return nil
}

// Forget ends the trust in a machine: nothing is sent to it, and nothing of it is taken.
func (b *Book) Forget(name string) error {
	if _, err := b.Find(name); err != nil {
		return err
	}
	delete(b.Trusted, name)
	return nil
}

// Find gives the trusted machine of a name.
func (b *Book) Find(name string) (Machine, error) {
	m, ok := b.Trusted[name]
	if !ok {
		return m, bridge.Errorf(bridge.NotFound, "no machine is trusted under the name %q", name).
			WithHint("run `agentbridge creds init` there, read its fingerprint to each other, and then here: agentbridge creds trust %s FINGERPRINT", name)
	}
	return m, nil
}

// Senders are the machines whose invites are taken.
func (b *Book) Senders() []Machine { return slices.Collect(maps.Values(b.Trusted)) }

// NameOf is what a machine is called here; empty: it is not trusted.
func (b *Book) NameOf(f Fingerprint) string {
	for name, m := range b.Trusted {
		if m.Fingerprint() == f {
			return name
		}
	}
	return ""
}

// Take notes that an invite was dealt with, for as long as it could come again, and forgets those that cannot.
func (b *Book) Take(i Invite, now time.Time) {
	if b.Taken == nil {
		b.Taken = map[string]time.Time{}
	}
	b.Taken[i.ID] = i.Expires.Add(2 * Skew)
	maps.DeleteFunc(b.Taken, func(_ string, until time.Time) bool { return now.After(until) })
}

// Has reports whether an invite was dealt with.
func (b *Book) Has(i Invite) bool {
	_, ok := b.Taken[i.ID]
	return ok
}
