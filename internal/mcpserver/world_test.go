package mcpserver

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
	"agentbridge/internal/sqlite"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a bridge on a store in memory, and a server over it.
type world struct {
	*bridge.Service
	ctx    context.Context
	server *Server
}

func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	return worldAt(t, ":memory:", bridge.Defaults(), o)
}

// worldAt is a world whose store is at path.
func worldAt(t testing.TB, path string, conf bridge.Config, o Options) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	scanner, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := bridge.New(t.Context(), store, bridge.Options{Config: conf, Keys: bridge.NewKeyRing(), Scanner: scanner})
	if err != nil {
		t.Fatal(err)
	}
	if o.Version == "" {
		o.Version = "test"
	}
	w := &world{Service: svc, ctx: context.WithoutCancel(t.Context()), server: New(svc, o)}
	t.Cleanup(w.server.Close)
	return w
}

// inBubble runs a story whose clock jumps over every wait.
func inBubble(t *testing.T, story func(t *testing.T)) { synctest.Test(t, story) }

// agent makes an agent of this machine, at a process of its own.
func (w *world) agent(t testing.TB, name string) (token string, c bridge.Caller) {
	t.Helper()
	token, _, err := w.NewAgent(w.ctx, name, true)
	if err != nil {
		t.Fatal(err)
	}
	c, err = w.Authenticate(w.ctx, token, bridge.Origin{Instance: bridge.Instance("proc_" + name), Local: true})
	if err != nil {
		t.Fatal(err)
	}
	return token, c
}

// meet puts agents into one conversation.
func (w *world) meet(t testing.TB, creator bridge.Caller, others ...bridge.Caller) bridge.ConversationID {
	t.Helper()
	q := bridge.CreateRequest{Role: "lead"}
	for _, o := range others {
		q.Partners = append(q.Partners, bridge.Partner{Name: o.Name(), Role: "helper"})
	}
	res, err := w.Create(w.ctx, creator, q)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range others {
		if _, err := w.Join(w.ctx, o, bridge.JoinRequest{Code: res.Invites[i].Code}); err != nil {
			t.Fatal(err)
		}
	}
	return res.Conversation
}

// say sends a message as an agent.
func (w *world) say(t testing.TB, c bridge.Caller, text string) bridge.MessageID {
	t.Helper()
	res, err := w.Send(w.ctx, c, bridge.SendRequest{Message: text})
	if err != nil {
		t.Fatal(err)
	}
	return res.Message
}

// states gives the state of every copy of the sender's messages, oldest first.
func (w *world) states(t testing.TB, sender bridge.Caller) (states []string) {
	t.Helper()
	res, err := w.Partners(w.ctx, sender, bridge.PartnersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range res.Deliveries {
		state := string(d.State)
		if d.How != "" {
			state += " " + string(d.How)
		}
		states = append(states, state)
	}
	slices.Reverse(states)
	return states
}

// wire is the client's end of a stdio server, line by line.
type wire struct {
	t     testing.TB
	out   io.WriteCloser
	in    *bufio.Reader
	close func()
	ended chan error
}

// stdio starts serving one client on pipes.
func (w *world) stdio(t testing.TB, c bridge.Caller) *wire {
	t.Helper()
	fromClient, toServer := io.Pipe()
	fromServer, toClient := io.Pipe()
	ctx, cancel := context.WithCancel(w.ctx)
	x := &wire{t: t, out: toServer, in: bufio.NewReaderSize(fromServer, 1<<20), ended: make(chan error, 1)}
	go func() { x.ended <- w.server.ServeStdio(ctx, c, fromClient, toClient) }()
	x.close = func() {
		toServer.Close()
		fromServer.Close()
		<-x.ended
		x.ended <- nil
		cancel()
	}
	t.Cleanup(func() { x.close() })
	return x
}

func (x *wire) send(line string) {
	x.t.Helper()
	if _, err := io.WriteString(x.out, line+"\n"); err != nil {
		x.t.Fatal(err)
	}
}

func (x *wire) recv() string {
	x.t.Helper()
	line, err := x.in.ReadString('\n')
	if err != nil {
		x.t.Fatalf("read an answer: %v", err)
	}
	return line[:len(line)-1]
}

// reply is an answer to a tool call, as far as tests look.
type reply struct {
	ID     any `json:"id"`
	Method string
	Params map[string]any
	Error  *struct {
		Code    int
		Message string
	}
	Result struct {
		IsError    bool
		Content    []struct{ Text string }
		Structured struct {
			Code, Message, Hint string
			Receipt             string
			Messages            []bridge.Message
			Unread              *int
			TaskID              bridge.TaskID    `json:"task_id"`
			Task                *bridge.TaskView `json:"task"`
			LeaseToken          int64            `json:"lease_token"`
			Tasks               []bridge.TaskView
			Cursor              string
		} `json:"structuredContent"`
	}
}

func parse(t testing.TB, line string) (r reply) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return r
}

// open does the handshake of the older protocol.
func (x *wire) open() *wire {
	x.t.Helper()
	x.send(`{"jsonrpc":"2.0","id":"open","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"tester","version":"1"}}}`)
	x.recv()
	x.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return x
}

func toolCall(id, name, arguments string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + name + `","arguments":` + arguments + `}}`
}

// call calls a tool and waits for the answer.
func (x *wire) call(id, name, arguments string) reply {
	x.t.Helper()
	x.send(toolCall(id, name, arguments))
	return parse(x.t, x.recv())
}

// texts are the messages of an answer, without their frames.
func (r reply) texts() (list []string) {
	for _, m := range r.Result.Structured.Messages {
		list = append(list, bare(m.Text))
	}
	return list
}

// client connects a real client over stdio.
func (w *world) client(t testing.TB, c bridge.Caller, version string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	fromClient, toServer := io.Pipe()
	fromServer, toClient := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- w.server.ServeStdio(w.ctx, c, fromClient, toClient) }()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "tester", Version: "1"}, o).
		Connect(w.ctx, &mcp.IOTransport{Reader: fromServer, Writer: toServer}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close(); <-ended })
	return session
}

// pipes is a network within the process, so that it can be in a bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hub serves the world over HTTP, in the process. The address is http://hub/.
func (w *world) hub(t testing.TB) *http.Client {
	t.Helper()
	return w.serve(t, w.server.Handler())
}

// serve serves a handler in the process.
func (w *world) serve(t testing.TB, h http.Handler) *http.Client {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(p) }()
	transport := &http.Transport{DialContext: p.dial}
	t.Cleanup(func() {
		w.server.Close()
		transport.CloseIdleConnections()
		srv.Close()
		<-served
	})
	return &http.Client{Transport: transport}
}

// bare is the text between the marks of a frame.
func bare(framed string) string {
	_, rest, _ := strings.Cut(framed, "\n")
	return rest[:strings.LastIndex(rest, "\n")]
}
