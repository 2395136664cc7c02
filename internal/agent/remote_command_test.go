package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

var personsKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func sign(what []byte) ([]byte, error) { return ed25519.Sign(personsKey, what), nil }

// enableCommands is what a person does, and a runner that is there.
func (w *town) enableCommands() {
	w.t.Helper()
	_, err := w.svc.EnableCommands(w.ctx, bridge.EnableRequest{
		Conversation: w.id, Mode: policy.Safe, Workspace: "/work", For: 24 * time.Hour, InClient: true,
		Key: personsKey.Public().(ed25519.PublicKey), Sign: sign,
	})
	if err == nil {
		_, err = w.svc.ServePermits(w.ctx, func(bridge.Permit) bool { return true })
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// askedOnce reports whether the command before the nth was asked for once, as long as it waits. Those before it are denied, because only a few
// of one seat may wait.
func (w *town) askedOnce(n int) error {
	asked, err := w.svc.Asked(w.ctx)
	count := 0
	for _, c := range asked {
		switch c.Text {
		case fmt.Sprintf("cat %d", n-1):
			count++
		case fmt.Sprintf("cat %d", n):
		default:
			err = errors.Join(err, w.svc.DenyCommand(w.ctx, c.Conversation, c.ID, ""))
		}
	}
	if n > 0 && count != 1 {
		return fmt.Errorf("command %d was asked for %d times", n-1, count)
	}
	return err
}

func TestRemote_ACommandIsAskedForAndAnsweredThroughAHub(t *testing.T) {
	afar(t, func(t *testing.T, w *town) {
		far := w.far(w.token)
		defer far.Close(w.ctx, bridge.Caller{})
		if may, err := far.MayAskForCommands(w.ctx, bridge.Caller{}); may || err != nil {
			t.Errorf("MayAskForCommands = %v, %v", may, err)
		}
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		hint := far.WatchPermits(ctx)
		w.enableCommands()
		if res, err := far.Check(w.ctx, bridge.Caller{}, bridge.CheckRequest{}); err != nil || len(res.Messages) != 1 {
			t.Fatalf("the notice: %+v, %v", res, err)
		}
		<-hint
		if may, err := far.MayAskForCommands(w.ctx, bridge.Caller{}); !may || err != nil {
			t.Errorf("MayAskForCommands = %v, %v", may, err)
		}
		ended := make(chan bridge.CommandView, 1)
		go func() {
			v, err := far.RunCommand(w.ctx, bridge.Caller{}, bridge.RunCommandRequest{Command: "ls", Reason: "to see", Wait: 4 * time.Minute})
			if err != nil {
				t.Error(err)
			}
			ended <- v
		}()
		synctest.Wait()
		asked, err := w.svc.Asked(w.ctx)
		if err != nil || len(asked) != 1 {
			t.Fatalf("asked: %+v, %v", asked, err)
		}
		if v, err := far.AnswerCommand(w.ctx, bridge.Caller{}, bridge.CommandAnswer{ID: asked[0].ID, Yes: true}); err != nil || v.State != bridge.CommandApproved {
			t.Fatalf("answered: %+v, %v", v, err)
		}
		time.Sleep(30 * time.Second)
		c, ok, err := w.svc.StartCommand(w.ctx, "runner", func(bridge.Permit) bool { return true })
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := w.svc.EndCommand(w.ctx, c, bridge.CommandResult{Output: "a b", Size: 3}); err != nil {
			t.Fatal(err)
		}
		if v := <-ended; v.State != bridge.CommandDone || v.Output != "a b" || v.ExitCode == nil || *v.ExitCode != 0 {
			t.Errorf("it ended as %+v", v)
		}
	})
}
