package bridge

import (
	"context"
	"errors"
	"strconv"
	"strings"
)

// KeyAdoption says what [AdoptKeys] did.
type KeyAdoption struct {
	Current string   `json:"current"` // the id of the key that signs now
	Before  []string `json:"before"`  // the keys that the store went by, the newest first
	Ended   int      `json:"ended"`   // tokens that would be good, but for a key that is not at hand
}

// AdoptKeys makes a ring the store's own that [New] refuses as another's: of a store put back from a backup that is older than all
// keys at hand. That is an entry, key_adopt. What keys signed that the ring does not hold is not good any more, and is shown so.
//
// A ring that is the store's already is [Conflict]. One that the store has left behind is [Invalid], as ever: a key that was stolen
// must not come back so. The surface makes sure that it is a person, and that nobody rotates meanwhile.
func AdoptKeys(ctx context.Context, store Store, ring *KeyRing) (done KeyAdoption, err error) {
	return commit(ctx, store.Update, Deployment, func(tx Tx) (done KeyAdoption, err error) {
		switch _, err := knownKeys(tx, ring); {
		case err == nil:
			return done, Errorf(Conflict, "the key file is this store's already").WithHint("there is nothing to adopt; agentbridge doctor looks for what else may be wrong")
		case !errors.Is(err, errForeignKeys):
			return done, err
		}
		if err := sameKeys(tx, ring); err != nil {
			return done, err
		}
		raw, err := tx.Meta(metaKeys)
		if err != nil && !errors.Is(err, NotFound) {
			return done, err
		}
		ids := ring.ids()
		done = KeyAdoption{Current: ring.current(), Before: append([]string{}, strings.Fields(string(raw))...)}
		if err := tx.PutMeta(metaKeys, []byte(strings.Join(ids, " "))); err != nil {
			return done, err
		}
		for _, id := range ids {
			if _, err := noteKey(tx, ring, id); err != nil {
				return done, err
			}
		}
		rows, err := tx.Tokens("")
		if err != nil {
			return done, err
		}
		for _, row := range rows {
			if _, held := ring.find(row.KeyID); !held && row.RevokedAt.IsZero() && tx.Now().Before(row.ExpiresAt) {
				done.Ended++
				tx.Notify(Inbox(row.Agent)) // its waits end now, not at their time-out
				tx.Notify(Work(row.Agent))
			}
		}
		return done, recordDeployment(tx, PersonName, "key_adopt", done.Current, facts{
			"keys": strings.Join(ids, " "), "before": strings.Join(done.Before, " "), "tokens": strconv.Itoa(done.Ended),
		})
	})
}
