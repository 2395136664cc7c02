package bridge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/audit"
	"agentbridge/internal/policy"
	"agentbridge/internal/redact"
)

// Config holds the durations and bounds of the rules; see the defaults of each in [Defaults].
type Config struct {
	ConversationTTL  time.Duration
	TokenTTL         time.Duration
	InviteTTL        time.Duration
	Retention        time.Duration // after its end, a conversation's content is erased
	Heartbeat        time.Duration // how often processes show that they are there
	SilentAfter      time.Duration // no heartbeat for this long: silent
	GoneAfter        time.Duration // no heartbeat for this long: gone
	IdleAfter        time.Duration // heartbeats but no progress for this long: idle
	DeliveryLease    time.Duration // on HTTP: a batch not acked for this long is delivered anew
	DeliveryAttempts int           // after so many a delivery is dead
	TaskLease        time.Duration // how long a claim holds without progress, where its task does not say
	TaskAttempts     int           // after so many claims a task that is open again has failed
	LoopGuard        bool          // whether talk without progress is slowed and then paused; never where limits are off
	Limits           Limits
	MaxMessage       int // characters
	MaxMembers       int
	InboxDepth       int // unacked copies a recipient may have
}

// Defaults is the configuration when nothing is said.
func Defaults() Config {
	return Config{
		ConversationTTL:  3 * time.Hour,
		TokenTTL:         3 * time.Hour,
		InviteTTL:        10 * time.Minute,
		Retention:        30 * 24 * time.Hour,
		Heartbeat:        15 * time.Second,
		SilentAfter:      45 * time.Second,
		GoneAfter:        5 * time.Minute,
		IdleAfter:        3 * time.Minute,
		DeliveryLease:    10 * time.Minute,
		DeliveryAttempts: 8,
		TaskLease:        30 * time.Minute,
		TaskAttempts:     5,
		LoopGuard:        true,
		Limits:           DefaultLimits,
		MaxMessage:       50_000,
		MaxMembers:       64,
		InboxDepth:       1000,
	}
}

// Options is what a [Service] needs beside its store.
type Options struct {
	Config Config   // zero: [Defaults]
	Keys   *KeyRing // required: signs tokens, invites and receipts
	// Reload gives the key ring anew where it may have been rotated since the last call, and nil where it was not; nil: it never is. It is
	// called often and by one goroutine at a time.
	Reload  func() (*KeyRing, error)
	Scanner *redact.Scanner     // required: without redaction nothing is taken in
	Dead    func(Instance) bool // whether a local process is known to be dead; nil: never known
	Rules   policy.Options      // of commands, beside the built-in ones; its workspace is the permit's
	Log     *slog.Logger        // nil: silent
	Signer  *audit.Signer       // signs checkpoints; nil: this process signs none, and everything else goes on
	// Address tells where the hub is that invites are for, as it is now; nil, or an empty URL: there is none, and codes say nothing of it.
	Address func() HubAddress
	Witness Keep // keeps what was seen of the deployment's log outside the store; nil: this process remembers it
}

// Service is the bridge: every rule, and nothing of any transport or engine. It is safe for concurrent use and starts nothing by
// itself; somebody calls [Service.Sweep] every few seconds.
type Service struct {
	store Store
	conf  Config
	keys  atomic.Pointer[KeyRing]
	door  door
	dead  func(Instance) bool
	log   *slog.Logger
	rules policy.Options

	contentKeys sync.Map // ConversationID to []byte: keys never change, so they are read once
	agents      sync.Map // AgentID to Agent: rows of agents never change
	onlyOf      sync.Map // AgentID to ConversationID: what was its only one a moment ago
	lastSeen    recent   // by Instance: when its progress was written
	attending   attendance
	reload      func() (*KeyRing, error)
	reloads     reloading
	address     func() HubAddress
	sweeping    atomic.Bool   // this process has swept
	signer      *audit.Signer // nil: it cannot sign
	witness     witness

	strangers strangers

	mu        sync.Mutex // guards refusals, refusedAt, ever, unseen, unclaimed
	refusals  map[refusal]int
	ever      map[Code]int           // refusals since this process started
	refusedAt map[AgentID]moment     // when refusals of an agent, or of nobody, were last written
	unseen    map[Instance][]Receipt // batches nobody saw that could not be given back
	unclaimed map[Instance][]Task    // and claims, as they were tried
}

// New makes a service over a store. It reads the store once, to refuse a key ring that is not the store's own.
func New(ctx context.Context, store Store, o Options) (*Service, error) {
	s := &Service{
		store: store, conf: o.Config, door: door{scanner: o.Scanner}, dead: o.Dead, log: o.Log, reload: o.Reload, address: o.Address, rules: o.Rules, witness: witness{keep: o.Witness},
		refusals: map[refusal]int{}, refusedAt: map[AgentID]moment{}, ever: map[Code]int{}, unseen: map[Instance][]Receipt{}, unclaimed: map[Instance][]Task{},
	}
	if s.conf == (Config{}) {
		s.conf = Defaults()
	}
	if s.dead == nil {
		s.dead = func(Instance) bool { return false }
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.address == nil {
		s.address = func() HubAddress { return HubAddress{} }
	}
	if o.Keys == nil || o.Scanner == nil {
		return nil, Errorf(Internal, "a bridge needs a key ring and a redaction scanner")
	}
	if err := s.firstRing(ctx, o.Keys); err != nil {
		return nil, err
	}
	if err := s.matchSigner(ctx, o.Signer); err != nil {
		return nil, err
	}
	return s, nil
}

// committing is [Store.Update] or [Store.Jot].
type committing func(ctx context.Context, scope Scope, fn func(Tx) error) error

// commit runs fn and gives what it gave, but only once it is known to be committed: a caller that stopped waiting leaves fn running
// for others, and must not see what it writes.
func commit[T any](ctx context.Context, how committing, scope Scope, fn func(Tx) (T, error)) (T, error) {
	var out *T
	err := how(ctx, scope, func(tx Tx) error {
		v, err := fn(tx)
		if err == nil {
			out = &v
		}
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return *out, nil
}

// Config gives the configuration in force.
func (s *Service) Config() Config { return s.conf }

// Origin is where a request comes from.
type Origin struct {
	Instance Instance // the caller's process; empty: the token stands for it, as on HTTP
	Local    bool     // on this machine, through the store's own file
	Address  string   // of the network peer, without port, as far as it is known; empty for a process on this machine
}

// Caller is an agent that proved who it is, at one instance. Its right is looked at again in every transaction, so a revoked
// token stops at once, everywhere.
type Caller struct {
	Instance Instance
	Local    bool   // on this machine, through the store's own file
	Address  string // of its network peer; see [Origin]
	Passing  bool   // a command that ends at once: its end says nothing of the agent, see doc/decisions/0013-shell-presence.md
	Call     string // names one call, whose answer may get lost on a network; see [Service.Recall]. Empty: it has no name

	cred  credential
	newer *atomic.Pointer[credential] // what [Service.Adopt] put in its place, shared by all copies
}

// WatchInbox gives a hint whenever the caller may have something to read; see [Store.Watch].
func (s *Service) WatchInbox(ctx context.Context, c Caller) <-chan struct{} {
	return s.store.Watch(ctx, Inbox(c.cred.agent))
}

// WatchFeed gives a hint whenever something in the conversation changed, or in any where id is empty. It tells nothing, so it
// needs no right.
func (s *Service) WatchFeed(ctx context.Context, id ConversationID) <-chan struct{} {
	if id == "" {
		return s.store.Watch(ctx, Everything)
	}
	return s.store.Watch(ctx, Feed(id))
}
