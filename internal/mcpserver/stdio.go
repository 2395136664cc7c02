package mcpserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// maxLine is the longest request on stdio, in bytes. A longer one ends the session: what follows it cannot be trusted to be a
// request.
const maxLine = 16 << 20

// ServeStdio serves one client over in and out, one JSON-RPC message a line, until the client closes in, or ctx ends. It closes
// both. What it returns is nil if the client left of itself.
func (s *Server) ServeStdio(ctx context.Context, caller bridge.Caller, in io.ReadCloser, out io.WriteCloser) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	leaving, leave := context.WithCancel(s.closing)
	defer leave()
	line := fmt.Sprintf("%s/%d", caller.Instance, s.connections.Add(1))
	defer s.answers.hangUp(line)
	c := &stdioConn{
		Server: s, ctx: ctx, leaving: leaving, leave: leave, caller: caller, line: line,
		in: in, out: out, heard: make(chan heard), began: make(chan struct{}), closed: make(chan struct{}), asked: map[jsonrpc.ID]*exchange{},
	}
	session, err := s.mcp.Connect(context.WithoutCancel(ctx), c, nil)
	if err != nil {
		return fmt.Errorf("connect stdio: %w", err)
	}
	if s.opt.Channel != nil {
		defer c.speak(ctx)()
	}
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	go session.Close()
	select {
	case <-ended:
	case <-time.After(closeWithin): // the client does not read, and a blocked write cannot be waited for
		c.Close()
	}
	return ctx.Err()
}

// stdioConn is newline-delimited JSON-RPC. Unlike the SDK's it stays alive when a line is not JSON, and it tells when a request
// arrived and when its answer was written.
type stdioConn struct {
	*Server
	ctx     context.Context // ends when this client is not served any more; the SDK would let its requests go on
	leaving context.Context // ends when it asks for nothing more
	leave   context.CancelFunc
	caller  bridge.Caller
	line    string

	in     io.ReadCloser
	out    io.WriteCloser
	heard  chan heard
	err    error // why heard ended; set before heard is closed
	closed chan struct{}
	once   sync.Once

	began     chan struct{} // closed once the client said that its session is initialized
	beginning sync.Once

	writing sync.Mutex // guards out
	mu      sync.Mutex // guards asked
	asked   map[jsonrpc.ID]*exchange
}

// heard is one line from the client: a message, or what to answer to what is none.
type heard struct {
	msg       jsonrpc.Message
	complaint string
}

// Connect makes the connection its own transport.
func (c *stdioConn) Connect(context.Context) (mcp.Connection, error) {
	// It ends when in does. Where in cannot be interrupted it stays behind, blocked, until the process ends.
	go c.scan()
	return c, nil
}

// SessionID is empty: there is one session.
func (c *stdioConn) SessionID() string { return "" }

func (c *stdioConn) scan() {
	defer close(c.heard)
	scanner := bufio.NewScanner(c.in)
	scanner.Buffer(make([]byte, 0, 64<<10), maxLine)
	for scanner.Scan() {
		line := bytes.TrimSpace(scanner.Bytes())
		if len(line) == 0 {
			continue
		}
		msg, complaint := decode(line)
		select {
		case c.heard <- heard{msg, complaint}:
		case <-c.closed:
			return
		}
	}
	c.err = scanner.Err()
}

// Read gives the next message. A line that holds none is answered here.
func (c *stdioConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	for {
		select {
		case h, ok := <-c.heard:
			if !ok {
				c.finish(ctx)
				if c.err != nil {
					return nil, fmt.Errorf("read a request: %w", c.err)
				}
				return nil, io.EOF
			}
			if req, ok := h.msg.(*jsonrpc.Request); ok && !c.arrived(req) {
				h.complaint = complain(jsonrpc.CodeInvalidRequest, "the id is in use by a request that was not answered yet")
			}
			if h.complaint == "" {
				return h.msg, nil
			}
			if err := c.put([]byte(h.complaint)); err != nil {
				return nil, err
			}
		case <-c.closed:
			return nil, io.EOF
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// finish lets what was asked before the client closed its end be answered: the SDK drops it. Who waits, waits no more.
func (c *stdioConn) finish(ctx context.Context) {
	c.leave()
	c.mu.Lock()
	open := slices.Collect(maps.Values(c.asked))
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	await(ctx, open)
}

// arrived gives the request its exchange, unless it has the id of one under way: the SDK would not answer it.
func (c *stdioConn) arrived(req *jsonrpc.Request) bool {
	x := &exchange{caller: c.caller, line: c.line, id: req.ID, gone: c.ctx, end: func() {}, leaving: c.leaving}
	req.Extra = &mcp.RequestExtra{TokenInfo: x.tokenInfo()}
	if !req.IsCall() {
		if req.Method == initialized {
			c.beginning.Do(func() { close(c.began) })
		}
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, used := c.asked[req.ID]; used {
		return false
	}
	x.gone, x.end = context.WithCancel(c.ctx)
	c.asked[req.ID] = x
	c.answers.arrived(x, c.answers.moment())
	return true
}

// Write writes a message whole, or fails. The answer that holds something goes in two parts, see [answers].
func (c *stdioConn) Write(_ context.Context, msg jsonrpc.Message) error {
	res, ok := msg.(*jsonrpc.Response)
	if ok && res.Error != nil {
		res.Error = c.cleanError(res.Error)
	}
	data, err := jsonrpc.EncodeMessage(msg)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if !ok {
		return c.put(data)
	}
	c.mu.Lock()
	x := c.asked[res.ID]
	delete(c.asked, res.ID)
	c.mu.Unlock()
	if x == nil {
		return c.put(data)
	}
	defer x.end()
	err = c.putAnswer(x, data)
	c.giveBack(c.caller, c.answers.over(x, err == nil))
	return err
}

func (c *stdioConn) putAnswer(x *exchange, data []byte) error {
	if !c.answers.holds(x) {
		return c.put(data)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	last := len(data) - len("}\n") // a reader that counts braces is done before the line is
	if _, err := c.out.Write(data[:last]); err != nil {
		return err
	}
	c.answers.nearly(x)
	_, err := c.out.Write(data[last:])
	return err
}

func (c *stdioConn) put(data []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.out.Write(data)
	return err
}

// Close closes both ends.
func (c *stdioConn) Close() error {
	var err error
	c.once.Do(func() {
		close(c.closed)
		err = errors.Join(c.in.Close(), c.out.Close())
	})
	return err
}
