package bridge

// What the schema's version of a store says that is on its way to another place, or arrived there: engines refuse to write to it, and to
// open it, as they do for a newer program. See `agentbridge migrate`.
const (
	StoreMoving int64 = 1 << 20
	StoreMoved  int64 = StoreMoving + 1
)

// MetaMovedTo is the key of the word on where a store is moved to.
const MetaMovedTo = "moved_to"

// Elsewhere is the refusal of a store with that version that is, or will be, where it says; nil: it is no such version.
func Elsewhere(version int64, where string) error {
	switch version {
	case StoreMoving:
		return Errorf(Unavailable, "the store is being moved to %s", where).
			WithHint("wait until agentbridge migrate is done; if it was interrupted, run it again, or call it off with agentbridge migrate --cancel")
	case StoreMoved:
		return Errorf(Unavailable, "the store was moved to %s, and nothing is read or written here any more", where).
			WithHint("use --store or AGENTBRIDGE_STORE with that address from now on, and start agents anew")
	}
	return nil
}
