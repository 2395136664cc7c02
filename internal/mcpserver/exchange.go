package mcpserver

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// An exchange is one request, from its arrival to the last byte of its answer. The transport makes it, and what the request
// causes finds it in its context.
type exchange struct {
	caller bridge.Caller
	line   string     // who is at the other end: request ids mean something within a line
	id     jsonrpc.ID // not valid where the transport has no need to know it
	many   bool       // a JSON-RPC batch: its answers cannot be told apart, so none is ever taken to have been read
	remote bool       // over HTTP, where nothing but a request shows that the client is there
	about  string     // what the request is about, as a header says; empty where there is none

	gone    context.Context // ends when nobody can be answered any more, or when the client cancelled the request
	end     context.CancelFunc
	leaving context.Context // ends when it is no use to wait any longer, although an answer still counts

	opened func() // called once the request is being worked on; may be nil

	postponed *taskState // the answer to a call that waits as a task; nil: it does not

	asked bridge.CommandView // the command that a person is being asked about by this exchange; its id is empty where there is none

	answer // guarded by answers.mu
}

// answer is what became of an exchange's answer.
type answer struct {
	arrived   uint64        // all times are of answers.clock
	held      held          // what it holds
	last      uint64        // when only the last byte was missing; 0: not yet
	settled   chan struct{} // closed once the last byte was written, or was not
	whole     bool          // it was written
	withdrawn bool          // the client cancelled the request: it throws the answer away
}

// exchangeKey is where a context holds its exchange, and extraKey is where a request's token information does.
type exchangeKey struct{}

const extraKey = "agentbridge/exchange"

// tokenInfo carries the exchange to the request's handler. It is the one thing that the SDK hands on for each request on every
// transport.
func (x *exchange) tokenInfo() *auth.TokenInfo {
	return &auth.TokenInfo{UserID: string(x.caller.Token()), Extra: map[string]any{extraKey: x}}
}

// exchangeOf finds the exchange of a request.
func exchangeOf(req mcp.Request) *exchange {
	if extra := req.GetExtra(); extra != nil && extra.TokenInfo != nil {
		x, _ := extra.TokenInfo.Extra[extraKey].(*exchange)
		return x
	}
	return nil
}

// exchangeFrom finds the exchange that a context belongs to.
func exchangeFrom(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// attend gives a context that ends with ctx, and also when nobody can be answered any more.
func (x *exchange) attend(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(x.gone, cancel)
	return ctx, func() { stop(); cancel() }
}
