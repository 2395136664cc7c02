package bridge

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Where the store notes which keys belong to it: metaKeys holds the ids that are in use, the newest first; keyCheck and an id hold
// what that key makes of its own id, for as long as the store lives; keySince and an id, when it came into use.
const (
	metaKeys   = "keys"
	keyCheck   = "key/"
	keySince   = "key_since/"
	checkLabel = "agentbridge key check v1"
)

// Bounds of how long old keys go on.
const (
	leastOverlap = time.Minute // processes look for a new ring every few seconds
	mostOverlap  = 365 * 24 * time.Hour
)

// ring is the key ring in force, for the whole of one decision.
func (s *Service) ring() *KeyRing { return s.keys.Load() }

// reloading is what a [Service] knows of the ring's file. The zero value is ready.
type reloading struct {
	mu      sync.Mutex // guards all below; one reload at a time
	offered *KeyRing   // could not be compared with the store yet, or is not the store's, which may adopt it
	refused *KeyRing   // the log knows that it is not the store's
}

// freshen takes a ring that was rotated elsewhere into use. A ring that is not the store's, or cannot be read, is not taken: the
// one in use stays, and the log says so.
func (s *Service) freshen(ctx context.Context) {
	if s.reload == nil {
		return
	}
	s.reloads.mu.Lock()
	defer s.reloads.mu.Unlock()
	ring, err := s.reload()
	if err != nil {
		s.log.Error("read the key file again; the keys in use stay", "error", err)
		return
	}
	if ring == nil {
		ring = s.reloads.offered
	}
	if ring == nil {
		return
	}
	s.reloads.offered = nil
	switch err := s.adopt(ctx, ring); {
	case err == nil:
		s.keys.Store(ring)
	case errors.Is(err, Invalid) && s.reloads.refused != ring:
		s.log.Error("take the key file into use; the keys in use stay", "error", err)
		s.reloads.refused = ring
		fallthrough
	default:
		s.reloads.offered = ring // the next time
	}
}

// firstRing takes the ring that a service begins with. Where somebody rotated just after it was read, it is read again.
func (s *Service) firstRing(ctx context.Context, ring *KeyRing) error {
	for {
		s.keys.Store(ring)
		err := s.adopt(ctx, ring)
		if err == nil || s.reload == nil || !errors.Is(err, Invalid) {
			return err
		}
		again, broken := s.reload()
		if broken != nil || again == nil {
			return err
		}
		ring = again
	}
}

// adopt refuses a ring that is not the store's, and notes what is new in it.
func (s *Service) adopt(ctx context.Context, ring *KeyRing) error {
	current := false
	err := s.store.View(ctx, func(tx Tx) error {
		known, err := knownKeys(tx, ring)
		current = slices.Equal(known, ring.ids())
		return err
	})
	if err != nil || current {
		return err
	}
	return s.store.Update(ctx, Deployment, func(tx Tx) error { return s.noteKeys(tx, ring, ProgramName) })
}

// knownKeys are the ids of the keys that the store knows to be in use, the newest first; none in a new store. It refuses a ring
// that cannot verify what the store's tokens were signed with.
func knownKeys(tx Tx, ring *KeyRing) (known []string, err error) {
	list, err := tx.Meta(metaKeys)
	switch {
	case err == nil:
		known = strings.Fields(string(list))
	case !errors.Is(err, NotFound):
		return nil, err
	default: // a new store, or one from before keys could be rotated
		for _, id := range ring.ids() {
			if _, err := tx.Meta(keyCheck + id); err == nil {
				known = append(known, id)
			} else if !errors.Is(err, NotFound) {
				return nil, err
			}
		}
		if len(known) == 0 {
			if _, err := tx.Meta(metaHead); !errors.Is(err, NotFound) {
				return nil, cmp.Or(err, error(foreignKeys()))
			}
			return nil, nil
		}
	}
	if len(known) == 0 {
		return nil, foreignKeys() // somebody emptied the list
	}
	if _, ok := ring.find(known[0]); !ok {
		if _, err := tx.Meta(keyCheck + ring.current()); err == nil {
			return nil, Errorf(Invalid, "the key file is older than the store: it does not have key %s, which signs by now", known[0]).
				WithHint("put back the key file as it was after the last `agentbridge key rotate`")
		}
		return nil, foreignKeys()
	}
	return known, sameKeys(tx, ring)
}

// sameKeys refuses a ring that holds another key under an id that the store knows.
func sameKeys(tx Tx, ring *KeyRing) error {
	for _, id := range ring.ids() {
		check, err := tx.Meta(keyCheck + id)
		if err == nil && !ring.matches(check, id, checkLabel) {
			return Errorf(Invalid, "the key file holds another key under the id of this store's").
				WithHint("put back the key file that was made with this store")
		}
		if err != nil && !errors.Is(err, NotFound) {
			return err
		}
	}
	return nil
}

// errForeignKeys is the cause of what [AdoptKeys] is the way out of.
var errForeignKeys = errors.New("no key in common")

func foreignKeys() *Error {
	e := Errorf(Invalid, "the key file does not belong to this store").
		WithHint("put back the key file of the same backup as the store; or, from your terminal, agentbridge key adopt: " +
			"the keys at hand are the store's from then on, and no token that others signed is valid")
	e.cause = errForeignKeys
	return e
}

// noteKeys brings what the store knows of its keys up to the ring, with an entry for each key that came or went. Whoever is first
// does it: the process that rotated, or another that found the file.
func (s *Service) noteKeys(tx Tx, ring *KeyRing, actor string) error {
	known, err := knownKeys(tx, ring)
	ids := ring.ids()
	if err != nil || slices.Equal(known, ids) {
		return err
	}
	if err := tx.PutMeta(metaKeys, []byte(strings.Join(ids, " "))); err != nil {
		return err
	}
	for i, id := range ids {
		if came, err := noteKey(tx, ring, id); err != nil {
			return err
		} else if !came {
			continue
		}
		action, f := "key_rotate", facts(nil)
		if len(known) == 0 {
			action = "key"
		} else if i+1 < len(ids) {
			before := ids[i+1]
			until, _, _ := ring.lasts(before)
			f = facts{"before": before, "until": stamp(until)}
		}
		if err := recordDeployment(tx, actor, action, id, f); err != nil {
			return err
		}
	}
	for _, id := range known {
		if !slices.Contains(ids, id) {
			if err := recordDeployment(tx, actor, "key_retire", id, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteKey lets the store know a key for as long as it lives, and reports whether it did not.
func noteKey(tx Tx, ring *KeyRing, id string) (came bool, err error) {
	if _, err := tx.Meta(keyCheck + id); !errors.Is(err, NotFound) {
		return false, err
	}
	check, _ := ring.tag(id, checkLabel)
	return true, errors.Join(tx.PutMeta(keyCheck+id, check), tx.PutMeta(keySince+id, []byte(stamp(tx.Now()))))
}

// KeyRotation says what [Service.RotateKeys] did.
type KeyRotation struct {
	Current string    `json:"current"` // the id of the key that signs now
	Until   time.Time `json:"until"`   // what older keys signed is good until then
	Retired []string  `json:"retired"` // keys whose end was over, and which are forgotten
	Revoked int       `json:"revoked"` // tokens that were ended at once
}

// RotateKeys makes a new key, which signs from now on. What the older ones signed is good for another retireAfter; with 0 it is void
// at once, in every process: that is for a key that was stolen.
//
// Save puts the new ring where processes read it from, whole and for good. If it fails, nothing has changed; if what comes after it
// fails, the next process that reads the ring completes it, but for the revocation of tokens, which the ring's own ends stand for.
// Whoever calls it lets nobody else rotate meanwhile.
func (s *Service) RotateKeys(ctx context.Context, retireAfter time.Duration, save func(*KeyRing) error) (done KeyRotation, err error) {
	if retireAfter != 0 && (retireAfter < leastOverlap || retireAfter > mostOverlap) {
		return done, Errorf(Invalid, "old keys cannot go on for so long, or so short a time").
			WithHint("choose from %d minute to %d days; --now ends them at once", int(leastOverlap.Minutes()), int(mostOverlap.Hours()/24))
	}
	s.freshen(ctx) // somebody may have rotated a moment ago
	var now time.Time
	if err := s.store.View(ctx, func(tx Tx) error { now = tx.Now(); return nil }); err != nil {
		return done, err
	}
	old := s.ring()
	next := old.rotated(now, now.Add(retireAfter))
	if err := save(next); err != nil {
		return done, err
	}
	type outcome struct {
		KeyRotation
		ended []AgentID
	}
	out, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) (o outcome, err error) {
		o.KeyRotation = KeyRotation{Current: next.current(), Until: now.Add(retireAfter), Retired: []string{}}
		for _, id := range old.ids() {
			if _, ok := next.find(id); !ok {
				o.Retired = append(o.Retired, id)
			}
		}
		if retireAfter == 0 {
			if o.ended, err = s.revokeSigned(tx, old); err != nil {
				return o, err
			}
		}
		o.Revoked = len(o.ended)
		return o, s.noteKeys(tx, next, PersonName)
	})
	if err != nil {
		return done, err
	}
	s.keys.Store(next)
	for _, agent := range slices.Compact(slices.Sorted(slices.Values(out.ended))) {
		err = errors.Join(err, s.takeBack(ctx, Token{Agent: agent})) // who bears a revoked token can neither ack nor give back
	}
	return out.KeyRotation, err
}

// revokeSigned ends every token that a ring's keys signed, so that it holds at once in processes that have not read the new ring, and
// gives the agent of each.
func (s *Service) revokeSigned(tx Tx, ring *KeyRing) (ended []AgentID, err error) {
	rows, err := tx.Tokens("")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if !ring.sealed(row) || !row.RevokedAt.IsZero() || !tx.Now().Before(row.ExpiresAt) {
			continue
		}
		row.RevokedAt = tx.Now()
		row.Seal = ring.seal(row)
		if err := tx.PutToken(row); err != nil {
			return nil, err
		}
		tx.Notify(Inbox(row.Agent))
		tx.Notify(Work(row.Agent))
		ended = append(ended, row.Agent)
	}
	if len(ended) == 0 {
		return nil, nil
	}
	return ended, recordDeployment(tx, PersonName, actionTokenRevoke, "all", facts{"keys": strings.Join(ring.ids(), " "), "tokens": strconv.Itoa(len(ended))})
}

// KeyState is a key as it is listed. It does not hold the key.
type KeyState struct {
	ID     string     `json:"key_id"`
	State  string     `json:"state"`  // signs verifies ended
	Since  *time.Time `json:"since"`  // null: before keys could be rotated
	Until  *time.Time `json:"until"`  // null: it signs
	Tokens int        `json:"tokens"` // that it signed and that are good now
}

// Keys lists the keys of the ring, the current one first.
func (s *Service) Keys(ctx context.Context) (list []KeyState, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		list = nil
		ring, good := s.ring(), map[string]int{}
		rows, err := tx.Tokens("")
		if err != nil {
			return err
		}
		for _, row := range rows {
			state, err := s.tokenState(tx, row)
			if err != nil {
				return err
			}
			if state.State == "valid" {
				good[row.KeyID]++
			}
		}
		for _, key := range ring.keys {
			k := KeyState{ID: key.id, State: "verifies", Tokens: good[key.id]}
			switch {
			case key.id == ring.current():
				k.State = "signs"
			case !ring.holds(key.id, tx.Now()):
				k.State = "ended"
			}
			if !key.until.IsZero() {
				k.Until = &key.until
			}
			raw, err := tx.Meta(keySince + key.id)
			if err != nil && !errors.Is(err, NotFound) {
				return err
			}
			if since, err := time.Parse(time.RFC3339Nano, string(raw)); err == nil {
				k.Since = &since
			}
			list = append(list, k)
		}
		return nil
	})
	return list, err
}
