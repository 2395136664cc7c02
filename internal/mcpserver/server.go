// Package mcpserver offers a bridge to agents as an MCP server, on stdio and over streamable HTTP.
//
// It speaks both generations of the protocol on either transport, holds no state that matters, and adds no rule of its own: every
// right, limit and answer is the bridge's.
package mcpserver

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// Options is what a [Server] may be told. The zero value serves.
type Options struct {
	Version string       // of this program, as clients show it
	Log     *slog.Logger // nil: silent

	// AnyHost is for a hub that speaks TLS, or that a reverse proxy on the same machine passes requests to, with their own Host. Without
	// it a request to a loopback address must name a loopback host, so that no web page can reach the hub through a name of its own; with
	// TLS the page would need a certificate for that name.
	AnyHost bool
	// Sessionless serves clients of the older protocol without HTTP sessions too, so that any of several hubs can answer any request.
	Sessionless bool

	// URL is where the hub is reached, without a path; empty: nothing is said of it. See [Server.Metadata].
	URL string

	// Channel makes each client on stdio a channel of Claude Code: what is said becomes a turn of its model. It is called when a client
	// began its session, and goes on until ctx ends; whether the caller's token is good is for it to see. Clients get the older
	// protocol then, which alone has channels. nil: no channel.
	Channel func(ctx context.Context, say func(ChannelEvent) error)
}

// Server is an MCP server over a bridge. It is safe for concurrent use by any number of clients.
type Server struct {
	svc Bridge
	hub *bridge.Service // the same, where the bridge is in this process: only then it can be served over HTTP
	log *slog.Logger
	mcp *mcp.Server
	opt Options

	answers     answers
	reading     chan struct{} // a place for each request that is being read
	feeds       feeds
	waits       endedTasks
	offers      offers
	tries       tries
	notify      mcp.MethodHandler // sends a notification to a session
	connections atomic.Uint64

	closing context.Context
	close   context.CancelFunc
}

// New makes a server. It starts nothing; [Server.Close] ends what its clients started. What it offers over HTTP needs the
// [bridge.Service] itself.
func New(svc Bridge, o Options) *Server {
	s := &Server{svc: svc, log: o.Log, opt: o, reading: make(chan struct{}, readers)}
	s.hub, _ = svc.(*bridge.Service)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.closing, s.close = context.WithCancel(context.Background())
	options := &mcp.ServerOptions{
		Instructions: instructions,
		Logger:       slog.New(careful{s.log.Handler(), s, slog.LevelWarn}), // below, it tells of every request
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{ListChanged: true}, Resources: &mcp.ResourceCapabilities{Subscribe: true}},
		SetCacheable: func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) { c.CacheScope = "private" },

		SubscribeHandler:   s.subscribe,
		UnsubscribeHandler: s.unsubscribe,
	}
	if o.Channel != nil {
		options.SupportedProtocolVersions = channelProtocols
		options.Capabilities.Experimental = map[string]any{channelCapability: struct{}{}}
	}
	s.mcp = mcp.NewServer(&mcp.Implementation{Name: "agentbridge", Title: "agentbridge", Version: o.Version}, options)
	s.mcp.AddReceivingMiddleware(s.receive)
	s.mcp.AddSendingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		s.notify = next
		return next
	})
	s.addTools()
	s.addResources()
	s.addTaskMethods()
	return s
}

// Close ends every wait and subscription with its proper answer, and every session after it. It takes two seconds at most: a client
// that does not read by then is left to the end of its connection. Requests that come later are served without waiting.
func (s *Server) Close() {
	s.feeds.mu.Lock()
	s.close()
	s.feeds.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	s.answers.drain(ctx) // a session that closes answers nobody
	over := make(chan struct{})
	go func() {
		defer close(over)
		var wg sync.WaitGroup
		for session := range s.mcp.Sessions() {
			wg.Go(func() { session.Close() })
		}
		wg.Wait()
		s.feeds.running.Wait()
	}()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

// closeWithin is how long closing waits for clients to take their answers.
const closeWithin = 2 * time.Second

// receive is what every request and notification passes: it finds the exchange and puts it where handlers look for it.
func (s *Server) receive(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		x := exchangeOf(req)
		if x == nil {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "nobody knows who sent this"}
		}
		ctx = context.WithValue(ctx, exchangeKey{}, x)
		if x.opened != nil {
			x.opened()
		}
		if slices.Contains(notOffered, method) {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: fmt.Sprintf("method not found: %q", method)}
		}
		switch r := req.(type) {
		case *mcp.ServerRequest[*mcp.CancelledParams]:
			if r.Params != nil && !x.remote {
				s.cancelled(x, r.Params.RequestID)
			}
		case *mcp.SubscriptionsListenRequest:
			res, err := s.listen(ctx, r)
			return res, s.cleanError(err)
		}
		res, err := s.elicits(ctx, next, method, req)
		if x.postponed != nil && err == nil {
			return x.postponed, nil
		}
		if list, ok := res.(*mcp.ListToolsResult); ok && err == nil {
			s.offer(ctx, req, list)
		}
		if discovered, ok := res.(*mcp.DiscoverResult); ok {
			discovered.Capabilities.AddExtension(tasksExtension, nil) // in answers to older clients it would mean nothing
		}
		return res, s.cleanError(err)
	}
}

// notOffered are methods that the SDK answers although the capabilities say that there is no such thing here.
var notOffered = []string{"prompts/list", "prompts/get", "completion/complete", "logging/setLevel"}

const cancelledNotification = "notifications/cancelled"

// cancelled ends a request that the client gave up, and takes back what its answer held, before the client's next request is
// looked at.
func (s *Server) cancelled(x *exchange, requestID any) {
	id, err := jsonrpc.MakeID(requestID)
	if err != nil {
		return
	}
	for _, lost := range s.answers.cancelled(x.line, id) {
		s.giveBack(x.caller, lost)
	}
}
