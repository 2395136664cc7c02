package agent

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// channel opens a channel to beta's client, which is told into w.told. Over is closed when it ended.
func (w *town) channel(from Source) (end func(), over chan struct{}) {
	ctx, cancel := context.WithCancel(w.ctx)
	over = make(chan struct{})
	words := func(k bridge.KeepAlive) string { return fmt.Sprint(k.Unread, " from ", k.From) }
	go func() {
		defer close(over)
		Channel(from, words)(ctx, func(e mcpserver.ChannelEvent) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.fail {
				return errors.New("the client is gone")
			}
			w.lines = append(w.lines, fmt.Sprint(e.Content, " ", e.Meta))
			return nil
		})
	}()
	return func() { cancel(); <-over }, over
}

func (w *town) wantSaid(when string, want ...string) {
	w.t.Helper()
	time.Sleep(2 * time.Second)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if fmt.Sprint(w.lines) != fmt.Sprint(want) {
		w.t.Errorf("%s: said %q, want %q", when, w.lines, want)
	}
	w.lines = nil
}

func TestChannel_SaysWhatIsNewOnceAndRemindsOfIt(t *testing.T) {
	sources(t, func(t *testing.T, w *town, from Source) {
		w.send(1)
		end, _ := w.channel(from)
		defer end()
		w.wantSaid("of what waits already", "1 from [alpha] map[unread:1]")
		w.send(2)
		w.wantSaid("two more", "3 from [alpha] map[unread:3]")
		time.Sleep(9 * time.Minute)
		w.wantSaid("nothing new")
		time.Sleep(2 * time.Minute)
		w.wantSaid("not read for long", "3 from [alpha] map[unread:3]")
		w.read()
		time.Sleep(time.Hour)
		w.wantSaid("all was read")
	})
}

func TestChannel_IsSilentAboutWhatACallTakes(t *testing.T) {
	sources(t, func(t *testing.T, w *town, from Source) {
		end, _ := w.channel(from)
		defer end()
		got := make(chan int, 1)
		go func() {
			res, _ := w.svc.Check(w.ctx, w.beta, bridge.CheckRequest{Wait: time.Minute})
			got <- len(res.Messages)
		}()
		synctest.Wait()
		w.send(1)
		w.wantSaid("the model waited for it itself")
		if n := <-got; n != 1 {
			t.Errorf("the wait got %d messages", n)
		}
		w.send(1)
		w.wantSaid("nobody waits for the next", "1 from [alpha] map[unread:1]")
	})
}

func TestChannel_GoesOnWhenItsTokenIsRenewedAndEndsWhenItIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		end, over := w.channel(Looking{Service: w.svc, Caller: w.beta})
		defer end()
		w.wantSaid("nothing waits")
		if _, err := w.svc.ExtendToken(w.ctx, w.beta.Token()); err != nil {
			t.Fatal(err)
		}
		w.send(1)
		w.wantSaid("after that", "1 from [alpha] map[unread:1]")
		if err := w.svc.RevokeToken(w.ctx, w.beta.Token()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-over:
		default:
			t.Error("it goes on with a revoked token")
		}
	})
}
