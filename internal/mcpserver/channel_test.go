package mcpserver

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
)

// speaking is a channel's client. What is put into say is said to it; ended is closed when the channel is over.
func speaking(t *testing.T) (x *wire, say chan ChannelEvent, ended chan struct{}) {
	say, ended = make(chan ChannelEvent), make(chan struct{})
	w := newWorld(t, Options{Channel: func(ctx context.Context, tell func(ChannelEvent) error) {
		defer close(ended)
		for {
			select {
			case e := <-say:
				if tell(e) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}})
	_, b := w.agent(t, "beta")
	return w.stdio(t, b), say, ended
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"claude-code","version":"2.1.330"}}}`

func TestChannel_DeclaresItselfInTheOlderProtocolAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, _, _ := speaking(t)
		x.send(`{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
		if line := x.recv(); !strings.Contains(line, `"error":{"code":-32022`) || strings.Contains(line, `"supported":["2026`) {
			t.Errorf("the newer protocol is answered with %s", line)
		}
		x.send(initialize)
		var opened struct {
			Result struct {
				ProtocolVersion string
				Capabilities    struct{ Experimental map[string]json.RawMessage }
			}
		}
		if line := x.recv(); json.Unmarshal([]byte(line), &opened) != nil || opened.Result.ProtocolVersion != "2025-11-25" ||
			string(opened.Result.Capabilities.Experimental["claude/channel"]) != "{}" || len(opened.Result.Capabilities.Experimental) != 1 {
			t.Errorf("initialize is answered with %s", line)
		}
	})
}

func TestChannel_IsNoneWhereNobodyAskedForOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		_, b := w.agent(t, "beta")
		x := w.stdio(t, b)
		x.send(initialize)
		if line := x.recv(); strings.Contains(line, "experimental") {
			t.Errorf("initialize is answered with %s", line)
		}
	})
}

func TestChannel_SpeaksOnceTheSessionBegan(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, say, ended := speaking(t)
		x.send(initialize)
		x.recv()
		synctest.Wait()
		select {
		case say <- ChannelEvent{Content: "too early"}:
			t.Error("it speaks before the client said that the session is initialized")
		default:
		}
		x.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		x.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`) // twice is no harm
		say <- ChannelEvent{Content: "1 unread message", Meta: map[string]string{"unread": "1"}}
		want := `{"jsonrpc":"2.0","method":"notifications/claude/channel","params":{"content":"1 unread message","meta":{"unread":"1"}}}`
		if line := x.recv(); line != want {
			t.Errorf("it says %s\nwant    %s", line, want)
		}
		if got := x.call("7", "check_messages", "{}"); got.Error != nil || got.Result.IsError {
			t.Error("after that no tool can be called")
		}
		x.close()
		<-ended
	})
}

func TestChannel_AClientThatDoesNotReadKeepsNothingOpen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x, say, ended := speaking(t)
		x.open()
		say <- ChannelEvent{Content: "nobody reads this"}
		synctest.Wait()
		x.out.Close()
		x.close()
		<-ended
	})
}
