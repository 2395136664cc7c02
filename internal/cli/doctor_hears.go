package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// hears sends a message while the client's server waits for one.
func (pt *patient) hears(ctx context.Context, s *scene, player *workload.Player) bool {
	text, fault := "agentbridge doctor "+rand.Text(), pt.again()
	type answer struct {
		at  time.Time
		err error
	}
	heard := make(chan answer, 1)
	go func() {
		for {
			res, err := player.Check(ctx, int(clientTime/time.Second))
			if err != nil || slices.ContainsFunc(res.Messages, func(m bridge.Message) bool { return strings.Contains(m.Text, text) }) {
				heard <- answer{time.Now(), err}
				return
			}
			if ctx.Err() != nil {
				heard <- answer{time.Now(), ctx.Err()}
				return
			}
		}
	}()
	select {
	case a := <-heard: // it did not even wait
		pt.refuse(deafness, "", bridge.Errorf(bridge.Unavailable, "its check_messages fails: %w", a.err).WithHint("%s", fault))
		return false
	case <-time.After(settleTime):
	}
	start := time.Now()
	if err := s.send(ctx, text); err != nil {
		pt.d.bad(pt.what, err)
		player.Kill()
		<-heard
		return false
	}
	a := <-heard
	if a.err != nil {
		pt.refuse(deafness, "", bridge.Errorf(bridge.Unavailable, "a message does not wake its waiting check_messages: %w", a.err).
			WithHint("look whether all processes are of one version, and whether the store is on a local disk"))
		return false
	}
	_, _ = player.Check(ctx, 0) // acks it
	took := a.at.Sub(start)
	pt.took("hears", took, "a message wakes its waiting check_messages after %s", milliseconds(took))
	return true
}

// took notes what went well, and how long it took.
func (pt *patient) took(what string, took time.Duration, format string, args ...any) {
	pt.d.Findings = append(pt.d.Findings, finding{
		What: pt.what + ", " + what, OK: true, Says: masked(fmt.Sprintf(format, args...)), Took: float64(took.Round(10*time.Microsecond).Microseconds()) / 1000,
	})
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }

func toolNames(tools []*mcp.Tool) (names []string) {
	for _, t := range tools {
		names = append(names, t.Name)
	}
	return names
}

// lastWords keeps what a process said last.
type lastWords struct{ text []byte }

func (w *lastWords) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	w.text = w.text[max(0, len(w.text)-4096):]
	return len(p), nil
}

// error reads what an agentbridge says before it ends.
func (w *lastWords) error() (why, hint string) {
	for line := range strings.Lines(string(w.text)) {
		line = strings.TrimSpace(line)
		if said, ok := strings.CutPrefix(line, "error: "); ok {
			why = said
		} else if said, ok := strings.CutPrefix(line, "hint: "); ok {
			hint = said
		} else if why == "" && line != "" {
			why = line
		}
	}
	return why, hint
}
