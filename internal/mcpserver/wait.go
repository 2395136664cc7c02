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
	what  string        // what for, as the client's program shows it
}

// wait does what may wait, and shows the client's program meanwhile that it goes on. do gets how long it may wait. left reports that it ended
// with nothing because it was no use to wait any longer, although an answer still counts.
func wait[T any](ctx context.Context, w waiting, do func(context.Context, time.Duration) (T, error)) (res T, left bool, err error) {
	ctx, cancel := w.attend(ctx)
	defer cancel()
	if w.total == 0 || w.leaving.Err() != nil {
		res, err = do(ctx, 0)
		return res, false, err
	}
	waiting, done := context.WithCancel(ctx)
	defer context.AfterFunc(w.leaving, done)()
	var wg sync.WaitGroup
	if token := w.req.Params.GetProgressToken(); token != nil {
		wg.Go(func() { w.showProgress(waiting, token) })
	}
	res, err = do(waiting, w.total)
	done()
	wg.Wait() // nothing may be said about a request after its answer
	if cancelled(err) && w.leaving.Err() != nil && ctx.Err() == nil {
		return res, true, nil
	}
	return res, false, err
}

// showProgress tells the client's program, never the model, that the wait goes on: some give up on a tool that says nothing.
func (w waiting) showProgress(ctx context.Context, token any) {
	start := time.Now()
	next := time.NewTimer(firstProgress)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			next.Reset(progressEvery)
		}
		err := w.req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Message: "waiting for " + w.what, Progress: time.Since(start).Round(time.Second).Seconds(), Total: w.total.Seconds(),
		})
		if err != nil {
			return
		}
	}
}
