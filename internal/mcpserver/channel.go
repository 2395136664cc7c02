package mcpserver

import (
	"context"
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// A channel of Claude Code is a server whose notifications become turns of the model. The client takes them in sessions of the older
// protocol alone, drops them without a word where its user did not name the server as a channel, and acks none; so what is said here
// is a sign that something waits, and never the thing itself.
const (
	channelCapability   = "claude/channel"
	channelNotification = "notifications/claude/channel"
	initialized         = "notifications/initialized"
)

// channelProtocols are the revisions in which a client takes what comes unasked.
var channelProtocols = []string{"2025-11-25", "2025-06-18", "2025-03-26"}

// ChannelEvent is one thing said to a client's model.
type ChannelEvent struct {
	Content string            `json:"content"`
	Meta    map[string]string `json:"meta,omitempty"` // shown as attributes; the keys are letters, digits and underscores
}

// speak starts what speaks to the client, from when its session is initialized; done ends it.
func (c *stdioConn) speak(ctx context.Context) (done func()) {
	ctx, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-c.began:
			c.opt.Channel(ctx, c.say)
		case <-ctx.Done():
		}
	}()
	return func() {
		stop()
		select {
		case <-over:
		case <-time.After(closeWithin): // the client does not read
		}
	}
}

func (c *stdioConn) say(e ChannelEvent) error {
	params, err := json.Marshal(e)
	if err != nil {
		return err
	}
	data, err := jsonrpc.EncodeMessage(&jsonrpc.Request{Method: channelNotification, Params: params})
	if err != nil {
		return err
	}
	return c.put(append(data, '\n'))
}
