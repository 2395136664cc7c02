package mcpserver

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

const (
	runCommand       = "run_command"
	toolsListChanged = "notifications/tools/list_changed"
	// The end of a permit's time is noticed so late where nothing else happens. Until a client looks again its calls are refused, and that is
	// all.
	offersLook = time.Minute
)

// offers are the clients that are told when the list of tools is another for them: with or without [runCommand].
type offers struct {
	mu     sync.Mutex // guards all below
	open   map[*offer]struct{}
	seen   map[*mcp.ServerSession]*offer // of the older protocol: a session that asked for the list
	looked bool                          // somebody looks after them
}

// offer is one of them.
type offer struct {
	session *mcp.ServerSession
	caller  bridge.Caller
	ctx     context.Context // of what is told; it ends with the client
	meta    func() mcp.Meta // nil: nothing
	known   bool            // what has is known
	has     bool            // it was told of the tool
}

// offer takes the tool out of a list for whom it is not, and sees to it that the client hears of a change.
func (s *Server) offer(ctx context.Context, req mcp.Request, list *mcp.ListToolsResult) {
	x := exchangeFrom(ctx)
	may, err := s.svc.MayAskForCommands(ctx, x.caller)
	if may = may && err == nil; !may {
		list.Tools = slices.DeleteFunc(slices.Clone(list.Tools), func(t *mcp.Tool) bool { return t.Name == runCommand })
	}
	session, ok := req.GetSession().(*mcp.ServerSession)
	if !ok || session.InitializeParams() == nil || x.many {
		return // of the newer protocol, which asks to be told
	}
	o := &s.offers
	o.mu.Lock()
	defer o.mu.Unlock()
	if known := o.seen[session]; known != nil {
		known.known, known.has = true, may
		return
	}
	known := &offer{session: session, caller: x.caller, ctx: context.WithValue(s.closing, exchangeKey{}, x), known: true, has: may}
	if o.seen == nil {
		o.seen = map[*mcp.ServerSession]*offer{}
	}
	o.seen[session] = known
	s.lookAfter(known)
	s.feeds.start(s, func() {
		session.Wait()
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.open, known)
		delete(o.seen, session)
	})
}

// follow tells a client of the newer protocol that listens. What it knows is what the list was when it began to: clients look at the list
// when they are told that somebody listens for them.
func (s *Server) follow(ctx context.Context, session *mcp.ServerSession, c bridge.Caller, meta func() mcp.Meta) (leave func()) {
	o := &s.offers
	listens := &offer{session: session, caller: c, ctx: ctx, meta: meta}
	listens.has, _ = s.svc.MayAskForCommands(ctx, c)
	listens.known = true
	o.mu.Lock()
	defer o.mu.Unlock()
	s.lookAfter(listens)
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.open, listens)
	}
}

// lookAfter adds one to those that are told. offers.mu must be held.
func (s *Server) lookAfter(one *offer) {
	o := &s.offers
	if o.open == nil {
		o.open = map[*offer]struct{}{}
	}
	o.open[one] = struct{}{}
	if !o.looked {
		o.looked = true
		s.feeds.start(s, s.watchOffers)
	}
}

// watchOffers tells clients until the server closes.
func (s *Server) watchOffers() {
	hint := s.svc.WatchPermits(s.closing)
	for {
		s.renewOffers()
		select {
		case <-s.closing.Done():
			return
		case <-hint:
		case <-time.After(offersLook):
		}
	}
}

// renewOffers looks at all of them. Whether a client gets what it is told is not known; it looks at its list some time, too.
func (s *Server) renewOffers() {
	o := &s.offers
	o.mu.Lock()
	open := make([]*offer, 0, len(o.open))
	for one := range o.open {
		open = append(open, one)
	}
	o.mu.Unlock()
	for _, one := range open {
		may, err := s.svc.MayAskForCommands(one.ctx, one.caller)
		if err != nil && !isRefusal(err) {
			continue
		}
		o.mu.Lock()
		_, still := o.open[one]
		changed := still && one.known && one.has != may
		one.has = may
		o.mu.Unlock()
		if changed {
			p := &mcp.ToolListChangedParams{}
			if one.meta != nil {
				p.Meta = one.meta()
			}
			s.tell(one.ctx, one.session, toolsListChanged, p)
		}
	}
}

// isRefusal reports whether an error says that the caller may not, and not that nobody knows.
func isRefusal(err error) bool {
	switch bridge.AsError(err).Code {
	case bridge.Denied, bridge.Expired, bridge.NotFound:
		return true
	}
	return false
}
