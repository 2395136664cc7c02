package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// Queue wakes an idle Codex by queueing a message of the bridge's own words for one of its sessions: `codex queue`, as Codex 0.169.0
// has it. Make it with [QueueTo].
type Queue struct {
	thread string
}

// queueTime is how long Codex may take to queue a message.
const queueTime = 30 * time.Second

// QueueTo is the queue of the session with that id or exact name. That there is such a session, only Codex knows.
func QueueTo(thread string) (Queue, error) {
	if strings.TrimSpace(thread) == "" || strings.ContainsFunc(thread, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(thread) > 1024 {
		return Queue{}, bridge.Errorf(bridge.Invalid, "that is not the id or name of a Codex session").
			WithHint("/status in Codex shows the session's id")
	}
	return Queue{thread}, nil
}

// Args are the arguments to codex that tell what waits. No shell reads them, and each value is in one argument with its flag, so that
// a thread's name that begins with a dash is no flag.
func (q Queue) Args(now bridge.KeepAlive) []string {
	return []string{"queue", "--thread=" + q.thread, "--message=" + Notice(now)}
}

// Tell queues the message. Codex must be on PATH. An error says what Codex said last, in one line.
func (q Queue) Tell(ctx context.Context, now bridge.KeepAlive) error {
	ctx, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "codex", q.Args(now)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AGENTBRIDGE_TOKEN=") })
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return bridge.Errorf(bridge.NotFound, "there is no codex on PATH").WithHint("npm install -g @openai/codex, or put its directory on PATH")
	case ctx.Err() != nil:
		return fmt.Errorf("codex queue did not end within %s", queueTime)
	}
	said := ""
	for line := range strings.Lines(out.String()) { // a stack of addresses may follow
		if rest, ok := strings.CutPrefix(line, "Error: "); ok {
			said = ": " + strings.TrimSpace(rest[:min(len(rest), 200)])
		}
	}
	return fmt.Errorf("codex queue: %w%s", err, said)
}
