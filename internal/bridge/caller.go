package bridge

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"
)

// target is the conversation that a call is about.
type target struct {
	id  ConversationID
	key []byte // its content key
	// guessed: the caller named none, and this was its only one a moment ago. Whether it still is, is for the transaction to say.
	guessed bool
}

// errMoved says that a guess was wrong.
var errMoved = errors.New("the caller is in other conversations by now")

// early looks at a call before its texts are scanned, which costs more than a look at the store where they are long.
type early struct {
	bytes  int               // of all texts
	refuse func(*room) error // what fn would refuse anyway; it only reads, and decides nothing in favour of a call
}

// lookFrom is how many bytes of text make an early look worth its price: a scan of so many takes about as long.
const lookFrom = 2500

// inRoomOf runs fn in an update of the conversation that a call is about: the one named, or the caller's only one. Before that,
// prepare gets the conversation's key, to let texts in without holding anybody up; fn gets what it made of them. Before that, whoever
// is no member or is over its limit is refused, so that nobody has long texts scanned for nothing.
func inRoomOf[P, T any](ctx context.Context, s *Service, c Caller, id ConversationID, look early, prepare func(key []byte) (P, error), fn func(*room, P) (T, error)) (none T, err error) {
	for {
		at, err := s.resolve(ctx, c, id)
		if err == nil && look.bytes >= lookFrom {
			err = s.lookAt(ctx, c, at, look)
		}
		if err != nil {
			return none, err
		}
		prepared, err := prepare(at.key)
		if err != nil {
			return none, err
		}
		type outcome struct {
			res    T
			raised []Alert
		}
		out, err := commit(ctx, s.store.Update, InConversation(at.id), func(tx Tx) (out outcome, err error) {
			if at.guessed {
				if err := s.stillOnly(tx, c, at.id); err != nil {
					return out, err
				}
			}
			r, err := s.enter(tx, c, at.id)
			if err != nil {
				return out, err
			}
			out.res, err = fn(r, prepared)
			out.raised = r.raised
			return out, err
		})
		if err == nil {
			s.tell(out.raised)
		}
		if !errors.Is(err, errMoved) {
			return out.res, err
		}
		s.onlyOf.Delete(c.cred.agent) // so the next turn looks, and does not guess
	}
}

// lookAt refuses a call early.
func (s *Service) lookAt(ctx context.Context, c Caller, at target, look early) error {
	return s.store.View(ctx, func(tx Tx) error {
		r, err := s.enter(tx, c, at.id)
		switch {
		case err != nil && at.guessed:
			return nil // the transaction finds out that the guess was wrong
		case err != nil:
			return err
		}
		return look.refuse(r)
	})
}

// resolve finds out which conversation a call is about. What it remembers saves a view on the way of every send; it decides
// nothing, because the transaction looks again.
func (s *Service) resolve(ctx context.Context, c Caller, id ConversationID) (at target, err error) {
	if id == "" {
		id = c.cred.only // a token that is held to one conversation has no choice
	}
	at.id = id
	if id == "" {
		if last, ok := s.onlyOf.Load(c.cred.agent); ok {
			at.id, at.guessed = last.(ConversationID), true
		}
	}
	if key, ok := s.contentKeys.Load(at.id); ok {
		at.key = key.([]byte)
		return at, nil
	}
	err = s.store.View(ctx, func(tx Tx) (err error) {
		at = target{id: id}
		if _, err := s.authorise(tx, c); err != nil {
			return err
		}
		if id == "" {
			if at.id, err = s.only(tx, c); err != nil {
				return err
			}
		}
		at.key, err = s.keyOf(tx, at.id)
		return err
	})
	if err != nil {
		return at, err
	}
	s.contentKeys.Store(at.id, at.key)
	if id == "" {
		s.onlyOf.Store(c.cred.agent, at.id)
	}
	return at, nil
}

// stillOnly is errMoved unless that conversation is the caller's only one.
func (s *Service) stillOnly(tx Tx, c Caller, id ConversationID) error {
	seats, err := seatsOf(tx, c)
	switch {
	case err != nil:
		return err
	case len(seats) == 1 && seats[0].Conversation == id:
		return nil // as nearly always, and this is on the way of every send
	}
	if only, err := s.only(tx, c); err != nil || only != id {
		return errMoved // whoever looks again gets the error, if it is one
	}
	return nil
}

// only finds the caller's only conversation: the only open one, else the only one.
func (s *Service) only(tx Tx, c Caller) (ConversationID, error) {
	seats, err := seatsOf(tx, c)
	if err != nil {
		return "", err
	}
	var open, all []string
	for _, m := range seats {
		row, err := tx.Conversation(m.Conversation)
		if err != nil {
			return "", err
		}
		switch phase(row, tx.Now()) {
		case Open:
			open = append(open, string(row.ID))
			fallthrough
		case Ended:
			all = append(all, string(row.ID))
		}
	}
	switch {
	case len(open) == 1:
		return ConversationID(open[0]), nil
	case len(open) == 0 && len(all) == 1:
		return ConversationID(all[0]), nil
	case len(all) == 0:
		return "", Errorf(Invalid, "you are in no conversation").WithHint("create_conversation makes one, join_conversation takes an invite")
	}
	if len(open) > 0 {
		all = open
	}
	return "", Errorf(Invalid, "you are in %d conversations: %s", len(all), strings.Join(all, ", ")).WithHint("name one with conversation_id")
}

// conversationKey reads the key of a conversation that has one.
func (s *Service) conversationKey(ctx context.Context, id ConversationID) (key []byte, err error) {
	err = s.store.View(ctx, func(tx Tx) (err error) {
		key, err = s.keyOf(tx, id)
		return err
	})
	return key, err
}

func (s *Service) keyOf(tx Tx, id ConversationID) ([]byte, error) {
	row, err := tx.Conversation(id)
	switch {
	case err != nil:
		return nil, s.noConversation(err, id)
	case !row.ErasedAt.IsZero():
		return nil, erased(id)
	}
	return row.Key, nil
}

// begin charges a call that belongs to no single conversation to the agent, and notes that it is there and doing something.
func (s *Service) begin(ctx context.Context, c Caller, kind ChargeKind) error {
	if s.conf.Limits.Name == NoLimits.Name {
		s.seen(ctx, c)
		return nil
	}
	return s.store.Jot(ctx, OfAgent(c.cred.agent), func(tx Tx) error {
		if _, err := s.authorise(tx, c); err != nil {
			return err
		}
		if err := s.charge(tx, toll{Account{Holder: string(c.cred.agent), Kind: kind}, 1}); err != nil {
			return err
		}
		return s.pulse(tx, c, Pulse{Progress: true})
	})
}

// Unread counts what waits for the caller.
func (s *Service) Unread(ctx context.Context, c Caller) (n int, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		if _, err := s.authorise(tx, c); err != nil {
			return err
		}
		n, err = unreadOf(tx, c)
		return err
	})
	return n, s.refused(c, err)
}

// refusal is a kind of refusal, for counting.
type refusal struct {
	agent AgentID // empty: nobody knows who
	code  Code
}

// refused counts a refusal for the next sweep and passes the error on. Faults of ours are no refusals, and no entries.
func (s *Service) refused(c Caller, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if code := AsError(err).Code; code != Internal && code != Unavailable {
		s.countRefusal(c.cred.agent, code)
	}
	return err
}

func (s *Service) countRefusal(agent AgentID, code Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals[refusal{agent, code}]++
	s.ever[code]++
}

// Refusals counts the refusals of this process since it started, by code.
func (s *Service) Refusals() map[Code]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ever)
}

// refusedEvery is the least time between two entries of a process about the refusals of one agent, or of nobody: the log is kept for
// good, and neither may make it grow as it likes. The count in the entry is of all since the one before.
const refusedEvery = time.Minute

// writeRefusals moves the counts of this process into the deployment's log. If it fails, they are kept for the next time.
func (s *Service) writeRefusals(ctx context.Context) error {
	s.mu.Lock()
	counts, kept := s.refusals, map[refusal]int{}
	maps.DeleteFunc(s.refusedAt, func(_ AgentID, at moment) bool { return at.ago() >= refusedEvery })
	for r, n := range counts {
		if _, early := s.refusedAt[r.agent]; early {
			kept[r] = n
			delete(counts, r)
		}
	}
	s.refusals = kept
	for r := range counts {
		s.refusedAt[r.agent] = thisMoment()
	}
	s.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	err := s.store.Update(ctx, Deployment, func(tx Tx) error {
		for r, n := range counts {
			if err := recordDeployment(tx, ProgramName, "refuse", string(r.agent), facts{"code": string(r.code), "count": strconv.Itoa(n)}); err != nil {
				return err
			}
		}
		return nil
	})
	// Where the outcome is unknown they count as written: two entries for one refusal would be worse than none.
	if err != nil && !errors.Is(err, Unavailable) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for r, n := range counts {
			s.refusals[r] += n
		}
	}
	return err
}

// seen notes that the caller is there and doing something, at most every few seconds: it is for presence, which counts in tens of
// them. A failure is no failure of the call that it rides on.
func (s *Service) seen(ctx context.Context, c Caller) {
	if s.lastSeen.within(c.Instance, seenEvery) {
		return
	}
	if err := s.Heartbeat(ctx, c, Pulse{Progress: true}); err != nil && ctx.Err() == nil {
		s.log.Warn("note presence", "agent", c.cred.agent, "error", err)
	}
}

const seenEvery = 5 * time.Second
