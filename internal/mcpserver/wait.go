package mcpserver

import (
	"context"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	firstProgress = 3 * time.Second
	progressEvery = 10 * time.Second
)

// waiting is a call that may wait.
type waiting struct {
	*call
	total time.Duration // how long at most
}

// wait does what may wait, and shows the client's program meanwhile that it goes on. do gets how long it may wait. left reports that it
// ended with nothing because it was no use to wait any longer, although an answer still counts.
func wait[T any](ctx context.Context, w waiting, do func(context.Context, time.Duration) (T, error)) (res T, left bool, err error) {
	ctx, cancel := w.attend(ctx)
	defer cancel()
	if w.total == 0 || w.leaving.Err() != nil {
		res, err = do(ctx, 0)
		return res, false, err
	}
	waiting, done := context.WithCancel(ctx)
	defer context.AfterFunc(w.leaving, done)()
	quiet := func() {}
	if token := w.req.Params.GetProgressToken(); token != nil {
		quiet = w.showProgress(waiting, token)
	}
	res, err = do(waiting, w.total)
	done()
	quiet() // nothing may be said about a request after its answer
	if cancelled(err) && w.leaving.Err() != nil && ctx.Err() == nil {
		return res, true, nil
	}
	return res, false, err
}

// showProgress tells the client's program, never the model, that the wait goes on: some give up on a tool that says nothing. quiet ends
// it, and returns when nothing is being said any more. It has a timer and no goroutine of its own, because a hub has as many as agents
// that wait.
func (w waiting) showProgress(ctx context.Context, token any) (quiet func()) {
	p := &progress{waiting: w, token: token, start: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = time.AfterFunc(firstProgress, func() { p.tell(ctx) })
	return p.end
}

type progress struct {
	waiting
	token any
	start time.Time

	mu   sync.Mutex // guards all below, and is held while something is said
	next *time.Timer
	over bool
}

func (p *progress) tell(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || ctx.Err() != nil {
		return
	}
	err := p.req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
		ProgressToken: p.token, Message: "waiting for " + p.tool.awaited, Progress: time.Since(p.start).Round(time.Second).Seconds(), Total: p.total.Seconds(),
	})
	if err == nil {
		p.next.Reset(progressEvery)
	}
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.next.Stop()
}
