package mcpserver

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// answeredNow wants a call to be answered although others are under way.
func answeredNow(t *testing.T, who *remote, id string) {
	t.Helper()
	began := time.Now()
	if got := who.call(id, "check_partners", `{}`); got.Error != nil || got.Result.IsError {
		t.Errorf("check_partners: %+v", got)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it was answered after %s", took)
	}
}

func TestHTTP_AnyNumberOfCallsMayWaitAtOnce(t *testing.T) {
	eras(t, Options{}, func(t *testing.T, _ *world, _ func(string), _ func() []string, beta *remote) {
		ctx, end := context.WithCancel(t.Context())
		waiting := make(chan struct{})
		const calls = 2*readers + 1
		for i := range calls {
			go func() {
				defer func() { waiting <- struct{}{} }()
				if res, err := beta.hub.Do(post(ctx, beta.token, beta.session, beta.body(fmt.Sprint(100+i), "check_messages", checkLong))); err == nil {
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}()
		}
		synctest.Wait()
		answeredNow(t, beta, "1")
		end()
		for range calls {
			<-waiting
		}
	})
}

func TestHTTP_WhoSendsSlowlyHoldsNobodyUp(t *testing.T) {
	eras(t, Options{}, func(t *testing.T, _ *world, _ func(string), _ func() []string, beta *remote) {
		ctx, end := context.WithCancel(t.Context())
		sending := make(chan struct{})
		const calls = 2*readers + 1
		for i := range calls {
			go func() {
				defer func() { sending <- struct{}{} }()
				r := post(ctx, beta.token, beta.session, beta.body(fmt.Sprint(100+i), "check_messages", checkNow))
				half, more := io.Pipe()
				r.Body, r.ContentLength = half, -1
				go func() { fmt.Fprint(more, `{"jsonrpc":"2.0",`); <-ctx.Done(); more.Close() }()
				if res, err := beta.hub.Do(r); err == nil {
					res.Body.Close()
				}
			}()
		}
		synctest.Wait()
		answeredNow(t, beta, "1")
		end()
		for range calls {
			<-sending
		}
	})
}
