package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// maxFeeds is how many conversations one session or listen may follow.
const maxFeeds = 64

// feedPause is the least time between two notifications about one conversation: a burst of changes is one.
const feedPause = 500 * time.Millisecond

// feedLook is how long a feed waits for a change at a time.
const feedLook = 4 * time.Minute

const resourceUpdated = "notifications/resources/updated"

// feeds are the subscriptions of clients of the older protocol. They last until the client takes them back or its session ends.
type feeds struct {
	mu      sync.Mutex // guards open, and that running does not grow once the server closes
	open    map[*mcp.ServerSession]map[string]context.CancelFunc
	running sync.WaitGroup
}

// start runs what goes on until the server closes.
func (f *feeds) start(s *Server, run func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.closing.Err() == nil {
		f.running.Go(run)
	}
}

// subscribe serves resources/subscribe of the older protocol. Only members get so far: for others there is no such resource.
func (s *Server) subscribe(ctx context.Context, req *mcp.SubscribeRequest) error {
	uri := req.Params.URI
	if _, err := s.view(ctx, uri); err != nil {
		return err
	}
	f := &s.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.closing.Err() != nil {
		return &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the bridge is closing"}
	}
	if f.open == nil {
		f.open = map[*mcp.ServerSession]map[string]context.CancelFunc{}
	}
	of := f.open[req.Session]
	if of == nil {
		of = map[string]context.CancelFunc{}
		f.open[req.Session] = of
		f.running.Go(func() { s.endFeeds(req.Session) })
	}
	if again := of[uri]; again != nil {
		again()
	} else if len(of) >= maxFeeds {
		return tooMany()
	}
	// The subscription outlives this request, and its notifications do not belong to it.
	watching, stop := context.WithCancel(context.WithValue(s.closing, exchangeKey{}, exchangeFrom(ctx)))
	of[uri] = stop
	f.running.Go(func() {
		good, end := s.svc.WhileGood(watching, exchangeFrom(ctx).caller)
		defer end()
		s.feed(good, req.Session, uri, nil)
	})
	return nil
}

// unsubscribe ends a subscription.
func (s *Server) unsubscribe(_ context.Context, req *mcp.UnsubscribeRequest) error {
	f := &s.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	if stop := f.open[req.Session][req.Params.URI]; stop != nil {
		stop()
		delete(f.open[req.Session], req.Params.URI)
	}
	return nil
}

// endFeeds ends the subscriptions of a session when the session ends.
func (s *Server) endFeeds(session *mcp.ServerSession) {
	session.Wait()
	f := &s.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, stop := range f.open[session] {
		stop()
	}
	delete(f.open, session)
}

// listen serves subscriptions/listen of the newer protocol until the client cancels it or the server closes. The SDK's own keeps
// one subscription a session and resource, and the end of one ends the others (go-sdk 1.8.0, server.go).
func (s *Server) listen(ctx context.Context, req *mcp.SubscriptionsListenRequest) (mcp.Result, error) {
	x := exchangeFrom(ctx)
	wanted := req.Params.Notifications
	if wanted == nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "notifications is missing"}
	}
	if !x.id.IsValid() {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "a subscription needs an id"}
	}
	uris := slices.Compact(slices.Sorted(slices.Values(wanted.ResourceSubscriptions)))
	if len(uris) > maxFeeds {
		return nil, tooMany()
	}
	for _, uri := range uris {
		if _, err := s.view(ctx, uri); err != nil {
			return nil, err
		}
	}
	meta := func() mcp.Meta { return mcp.Meta{mcp.MetaKeySubscriptionID: x.id.Raw()} }
	err := s.tell(ctx, req.Session, "notifications/subscriptions/acknowledged", &mcp.SubscriptionsAcknowledgedParams{
		Meta: meta(), Notifications: mcp.NotificationSubscriptions{ResourceSubscriptions: uris, ToolsListChanged: wanted.ToolsListChanged}, // other lists do not change here
	})
	if err != nil {
		return nil, err
	}
	ctx, stop := x.attend(ctx)
	defer stop()
	defer context.AfterFunc(x.leaving, stop)()
	if wanted.ToolsListChanged {
		defer s.follow(ctx, req.Session, x.caller, meta)()
	}
	var wg sync.WaitGroup
	for _, uri := range uris {
		wg.Go(func() { s.feed(ctx, req.Session, uri, meta) })
	}
	if len(uris) == 0 {
		// Nothing will come, but an end would tell the client that we close, and some would listen again at once.
		<-ctx.Done()
	}
	wg.Wait()
	return &mcp.SubscriptionsListenResult{Meta: meta()}, nil
}

func tooMany() error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprintf("at most %d resources can be followed at once", maxFeeds)}
}

// feed tells a session that a conversation changed, until ctx ends or the caller is no member any more.
func (s *Server) feed(ctx context.Context, session *mcp.ServerSession, uri string, meta func() mcp.Meta) {
	id, caller := bridge.ConversationID(strings.TrimPrefix(uri, uriPrefix)), exchangeFrom(ctx).caller
	var seen bridge.Mark
	for known := false; ; {
		wait := feedLook
		if !known {
			wait = 0
		}
		// Not by reading it, because it is not the agent that looks: it must not count as the agent's progress.
		now, err := s.svc.AwaitChange(ctx, caller, id, seen, wait)
		switch {
		case errors.Is(err, bridge.Unavailable): // it may be back soon
		case err != nil:
			return
		case known && now != seen:
			p := &mcp.ResourceUpdatedNotificationParams{URI: uri}
			if meta != nil {
				p.Meta = meta()
			}
			s.tell(ctx, session, resourceUpdated, p) // a stream that is not there now may come back: clients read the resource then
			fallthrough
		default:
			known, seen = true, now
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(feedPause):
		}
	}
}

// tell sends a notification to a session.
func (s *Server) tell(ctx context.Context, session *mcp.ServerSession, method string, p mcp.Params) error {
	var req mcp.Request
	switch p := p.(type) {
	case *mcp.ResourceUpdatedNotificationParams:
		req = &mcp.ServerRequest[*mcp.ResourceUpdatedNotificationParams]{Session: session, Params: p}
	case *mcp.ToolListChangedParams:
		req = &mcp.ServerRequest[*mcp.ToolListChangedParams]{Session: session, Params: p}
	case *mcp.SubscriptionsAcknowledgedParams:
		req = &mcp.ServerRequest[*mcp.SubscriptionsAcknowledgedParams]{Session: session, Params: p}
	}
	_, err := s.notify(ctx, method, req)
	return err
}
