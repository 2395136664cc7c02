package agent

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// Remote is a bridge behind a hub: what [bridge.Service] is on the hub's machine, for one agent. Each method has the contract of
// [bridge.Service]'s, and the caller's identity is the hub's token, whatever a Caller says.
//
// A call that got no answer is made again, as often as it fits into [patience], and what it did is done once: texts, tasks and
// conversations go under a key that is made before the first try, and what a lost answer held is given back before the next try takes
// anything. A wait outlasts a hub that is away, up to its own time. A hub that stays away is [bridge.Unavailable].
//
// It starts what gives back in the background; [Remote.Close] ends it.
type Remote struct {
	hub    *Hub
	client *http.Client
	key    []byte // of [Remote.Seal]
	redact func(string) string
	log    *slog.Logger

	mu   sync.Mutex // guards all below
	held map[bridge.Receipt]bool
	lost []lostCall
	undo sync.WaitGroup
	stop context.CancelFunc // ends undo; nil: it does not run
	shut bool

	permits []chan struct{} // of those who watch

	reclaiming sync.Mutex // guards reclaim, and is held while that is done
	reclaim    bool       // before anything is taken, what the token holds is given back
	entries    int64      // in the hub's log, as it said last
	older      bool       // it had more before, and the agent was not told
}

// RemoteOptions complete a [Remote].
type RemoteOptions struct {
	Redact func(string) string // masks secrets in texts that the model did not write to anybody; required
	Log    *slog.Logger        // nil: silent
}

const (
	// patience is how long a call is tried that does not wait.
	patience  = 10 * time.Second
	sealLabel = "agentbridge remote word v1"
	sealMAC   = 16
)

// NewRemote makes a bridge of a hub. It connects to nothing yet.
func NewRemote(hub *Hub, o RemoteOptions) *Remote {
	mac := hmac.New(sha256.New, []byte(hub.bearer()))
	io.WriteString(mac, sealLabel)
	r := &Remote{hub: hub, client: callClient(hub.client), key: mac.Sum(nil), redact: o.Redact, log: o.Log, held: map[bridge.Receipt]bool{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r
}

// callClient is the client for calls. It has a connection for each call under way, so that one which broke in the dark takes no other
// with it, as over HTTP/2.
func callClient(c *http.Client) *http.Client {
	own := *c
	if transport, ok := c.Transport.(*http.Transport); ok {
		transport = transport.Clone()
		transport.ForceAttemptHTTP2 = false
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		transport.MaxIdleConnsPerHost = 8
		transport.TLSHandshakeTimeout = greetTime
		if dial := transport.DialContext; dial != nil {
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				ctx, cancel := context.WithTimeout(ctx, dialTime)
				defer cancel()
				return dial(ctx, network, address)
			}
		}
		own.Transport = transport
	}
	return &own
}

var _ mcpserver.Bridge = (*Remote)(nil)

// Create makes a conversation, or invites.
func (r *Remote) Create(ctx context.Context, c bridge.Caller, q bridge.CreateRequest) (bridge.CreateResult, error) {
	if q.Key == "" && q.Conversation == "" {
		q.Key = rand.Text()
	}
	return ask[bridge.CreateResult](ctx, r, trial{name: "create", caller: c, request: q})
}

// Join takes a seat.
func (r *Remote) Join(ctx context.Context, c bridge.Caller, q bridge.JoinRequest) (bridge.JoinResult, error) {
	return ask[bridge.JoinResult](ctx, r, trial{name: "join", caller: c, fresh: func(lost bool) any {
		q.Again = q.Again || lost
		return q
	}})
}

// Send sends a message.
func (r *Remote) Send(ctx context.Context, c bridge.Caller, q bridge.SendRequest) (bridge.SendResult, error) {
	given := q.Key != ""
	if !given {
		q.Key = rand.Text()
	}
	res, err := ask[bridge.SendResult](ctx, r, trial{name: "send", caller: c, request: q})
	res.Duplicate = res.Duplicate && given // an own key was used for this call alone
	return res, keyed(err, "message", q.Key, given)
}

// AddTask adds a task.
func (r *Remote) AddTask(ctx context.Context, c bridge.Caller, q bridge.AddTaskRequest) (bridge.AddTaskResult, error) {
	given := q.Key != ""
	if !given {
		q.Key = rand.Text()
	}
	res, err := ask[bridge.AddTaskResult](ctx, r, trial{name: "add_task", caller: c, request: q})
	res.Duplicate = res.Duplicate && given
	return res, keyed(err, "task", q.Key, given)
}

// keyed says how to go on after a call of which nobody knows whether the hub did it. A key that came from outside is not shown.
func keyed(err error, what, key string, given bool) error {
	if _, ok := errors.AsType[unknown](err); !ok {
		return err
	}
	e := *bridge.AsError(err)
	if given {
		return e.WithHint("nobody knows whether the %s was stored; do the same again with the same key, and it is stored once", what)
	}
	return e.WithHint("nobody knows whether the %s was stored; do the same again with key %q, and it is stored once", what, key)
}

// SetStatus says how the agent is doing.
func (r *Remote) SetStatus(ctx context.Context, c bridge.Caller, q bridge.StatusRequest) (bridge.StatusResult, error) {
	return ask[bridge.StatusResult](ctx, r, trial{name: "update_status", caller: c, request: q})
}

// Partners tells who is there.
func (r *Remote) Partners(ctx context.Context, c bridge.Caller, q bridge.PartnersRequest) (bridge.PartnersResult, error) {
	res, err := ask[mcpserver.Partnered](ctx, r, trial{name: "partners", caller: c, request: q})
	for i := range min(len(res.Seqs), len(res.Deliveries)) {
		res.Deliveries[i].Seq = res.Seqs[i]
	}
	return res.PartnersResult, err
}

// UpdateTask changes a task.
func (r *Remote) UpdateTask(ctx context.Context, c bridge.Caller, q bridge.UpdateTaskRequest) (bridge.UpdateTaskResult, error) {
	return ask[bridge.UpdateTaskResult](ctx, r, trial{name: "update_task", caller: c, request: q})
}

// ListTasks lists tasks.
func (r *Remote) ListTasks(ctx context.Context, c bridge.Caller, q bridge.ListTasksRequest) (bridge.ListTasksResult, error) {
	return ask[bridge.ListTasksResult](ctx, r, trial{name: "list_tasks", caller: c, request: q})
}

// Conversation tells a member all about its conversation.
func (r *Remote) Conversation(ctx context.Context, c bridge.Caller, id bridge.ConversationID) (bridge.View, error) {
	return ask[bridge.View](ctx, r, trial{name: "conversation", caller: c, request: id})
}

// Unread counts what waits.
func (r *Remote) Unread(ctx context.Context, c bridge.Caller) (int, error) {
	return ask[int](ctx, r, trial{name: "unread", caller: c, request: mcpserver.Nothing{}})
}

// Ack ends the deliveries of a batch.
func (r *Remote) Ack(ctx context.Context, c bridge.Caller, receipt bridge.Receipt, _ bridge.How) error {
	_, err := ask[mcpserver.Nothing](ctx, r, trial{name: "ack", caller: c, request: receipt})
	if err == nil {
		r.forget(receipt)
	}
	return err
}

// GiveBack makes a batch wait again.
func (r *Remote) GiveBack(ctx context.Context, c bridge.Caller, receipt bridge.Receipt) error {
	_, err := ask[mcpserver.Nothing](ctx, r, trial{name: "give_back", caller: c, request: receipt})
	if err == nil {
		r.forget(receipt)
	}
	return err
}

// UnclaimTask gives a claim back.
func (r *Remote) UnclaimTask(ctx context.Context, c bridge.Caller, id bridge.ConversationID, task bridge.TaskID, leaseToken int64) error {
	_, err := ask[mcpserver.Nothing](ctx, r, trial{name: "unclaim", caller: c, request: mcpserver.Unclaimed{Conversation: id, Task: task, LeaseToken: leaseToken}})
	return err
}

// WhileGood gives a context that ends with ctx: a process whose token is not good any more ends by itself.
func (r *Remote) WhileGood(ctx context.Context, _ bridge.Caller) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

// Seal makes a word that any process which bears the same token can read.
func (r *Remote) Seal(_ bridge.Caller, purpose string, what []byte) string {
	return purpose + "_" + base64.RawURLEncoding.EncodeToString(append(r.mac(purpose, what), what...))
}

// Unseal reads what Seal made.
func (r *Remote) Unseal(_ bridge.Caller, purpose, word string) (what []byte, ok bool) {
	encoded, ok := strings.CutPrefix(word, purpose+"_")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(raw) < sealMAC || strings.ContainsAny(word, "\r\n") { // which the decoder leaves out
		return nil, false
	}
	return raw[sealMAC:], hmac.Equal(raw[:sealMAC], r.mac(purpose, raw[sealMAC:]))
}

func (r *Remote) mac(purpose string, what []byte) []byte {
	mac := hmac.New(sha256.New, r.key)
	io.WriteString(mac, purpose+"\x00")
	mac.Write(what)
	return mac.Sum(nil)[:sealMAC:sealMAC]
}

// Redact masks the secrets in a text.
func (r *Remote) Redact(text string) string { return r.redact(text) }
