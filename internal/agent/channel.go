package agent

import (
	"context"
	"errors"
	"strconv"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// channelPatience is how long what came must have waited before a channel says so. Who waits in a call has it by then.
const channelPatience = 500 * time.Millisecond

// Channel is for [mcpserver.Options]: it says when something new waits, in these words of the bridge. It says it again every ten
// minutes while that waits still, and says nothing of what a call has taken meanwhile. Where it cannot look it tries again, and it ends
// early only when the token was revoked.
func Channel(from Source, words func(bridge.KeepAlive) string) func(context.Context, func(mcpserver.ChannelEvent) error) {
	return func(ctx context.Context, say func(mcpserver.ChannelEvent) error) {
		o := KeepAliveOptions{From: from, Patience: channelPatience, OnMessage: func(_ context.Context, now bridge.KeepAlive) error {
			return say(mcpserver.ChannelEvent{Content: words(now), Meta: map[string]string{"unread": strconv.Itoa(now.Unread)}})
		}}
		for {
			if err := KeepAlive(ctx, o); err == nil || errors.Is(err, bridge.Denied) {
				return
			}
			select { // an expired token is renewed by what runs beside
			case <-time.After(mostPause):
			case <-ctx.Done():
				return
			}
		}
	}
}
