package mcpserver

import (
	"strings"
	"testing"
)

// A model whose ack was refused believes that it acked, unless it is told at once.
func TestWaitTask_IsNoneOfACallThatIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, say, states, beta := modernPair(t)
		k := newKeeper(beta)
		if got := k.call("check_messages", `{"wait_seconds":240,"ack":"bogus"}`); !strings.Contains(got.whole, `"code":"invalid"`) {
			t.Errorf("a check with a bad receipt answered %s", got.whole)
		}
		say("one")
		id := k.begin("check_messages", `{"wait_seconds":240,"conversation_id":"`+conversationOf(t, k)+`"}`)
		expect(t, "states", states(), "acked implied")
		if got := k.status(id); got != "working" {
			t.Errorf("the task is %s", got)
		}
	})
}

// conversationOf is that of the message that waits.
func conversationOf(t *testing.T, k *keeper) string {
	t.Helper()
	got := parse(t, k.call("check_messages", checkNow).whole)
	if len(got.Result.Structured.Messages) != 1 {
		t.Fatalf("got %+v", got.Result)
	}
	return string(got.Result.Structured.Messages[0].Conversation)
}
