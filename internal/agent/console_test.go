package agent

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// console is beta's client on the stdio of a process whose bridge is the hub, line by line.
type console struct {
	w     *town
	in    *bufio.Reader
	out   io.WriteCloser
	back  io.Closer // what in reads
	ended chan error
	said  []string // on stderr
	n     int
}

// console starts the process. alone: it is the only one of its agent.
func (w *town) console(alone bool) *console {
	in, out := io.Pipe()
	back, answers := io.Pipe()
	c := &console{w: w, in: bufio.NewReader(back), out: out, back: back, ended: make(chan error, 1)}
	remote := w.far(w.token)
	server := mcpserver.New(remote, mcpserver.Options{})
	go func() {
		err := RunRemote(w.ctx, RemoteRun{
			Remote: remote, Server: server, Name: "beta", In: in, Out: answers, Alone: func() bool { return alone },
			Say: func(line string) { w.mu.Lock(); defer w.mu.Unlock(); c.said = append(c.said, line) },
		})
		server.Close()
		c.ended <- err
	}()
	w.t.Cleanup(func() { c.hangUp() })
	c.line(`{"jsonrpc":"2.0","id":"open","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"tester","version":"1"}}}`)
	c.answer()
	c.line(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	synctest.Wait()
	return c
}

func (c *console) hangUp() error {
	c.out.Close()
	c.back.Close()
	err := <-c.ended
	c.ended <- err
	return err
}

func (c *console) line(text string) {
	c.w.t.Helper()
	if _, err := io.WriteString(c.out, text+"\n"); err != nil {
		c.w.t.Fatal(err)
	}
}

// reply is an answer, as far as the stories look.
type reply struct {
	ID    any
	Error *struct {
		Code    int
		Message string
	}
	Result struct {
		IsError    bool
		Status     string
		TaskID     string `json:"taskId"`
		Result     json.RawMessage
		Structured struct {
			Code, Message, Hint string
			Receipt             string
			Messages            []bridge.Message
			Task                *bridge.TaskView
		} `json:"structuredContent"`
	}
}

func (c *console) answer() (r reply) {
	c.w.t.Helper()
	line, err := c.in.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &r)
	}
	if err != nil {
		c.w.t.Fatalf("read an answer: %v in %q", err, line)
	}
	return r
}

func (c *console) begin(tool, arguments string) (id int) {
	c.w.t.Helper()
	c.n++
	c.line(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, c.n, tool, arguments))
	return c.n
}

func (c *console) cancel(id int) {
	c.w.t.Helper()
	c.line(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, id))
}

func (c *console) call(tool, arguments string) reply {
	c.w.t.Helper()
	c.begin(tool, arguments)
	return c.answer()
}

// texts are the messages of an answer.
func (r reply) texts() (list []string) {
	for _, m := range r.Result.Structured.Messages {
		list = append(list, bare(m.Text))
	}
	return list
}

// states are those of alpha's messages, oldest first.
func (w *town) states() (list []string) {
	w.t.Helper()
	res, err := w.svc.Partners(w.ctx, w.alpha, bridge.PartnersRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range slices.Backward(res.Deliveries) {
		list = append(list, strings.TrimSpace(string(d.State)+" "+string(d.How)))
	}
	return list
}

func (w *town) tellBeta(text string) {
	w.t.Helper()
	if _, err := w.svc.Send(w.ctx, w.alpha, bridge.SendRequest{Message: text}); err != nil {
		w.t.Fatal(err)
	}
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// afar tells a story in a town whose hub is up.
func afar(t *testing.T, story func(t *testing.T, w *town)) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.startAll()
		t.Cleanup(func() {
			if w.up != nil {
				w.stop()
			}
		})
		story(t, w)
	})
}
