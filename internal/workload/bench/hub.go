package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/workload"
)

// noopHubArg makes this program the floor's hub: the same SDK over HTTP, two tools that do nothing.
const noopHubArg = "serve-noop-hub"

func serveNoopHub() error {
	server := noopServer()
	check := map[string]any{
		"messages": []any{map[string]any{
			"message_id": "msg_0123456789abcdef", "conversation_id": "conv_0123456789abcdef", "seq": 1, "from": "beta", "role": "partner", "rank": "peer",
			"text": text, "action_type": "info", "files_involved": []string{}, "sent_at": time.Unix(0, 0).UTC(), "redelivered": false,
		}},
		"receipt": "rcpt_0123456789abcdef0123456789abcdef", "more": false, "unread": 0,
	}
	schema := map[string]any{"type": "object", "properties": map[string]any{"limit": map[string]any{"type": "integer"}}}
	server.AddTool(&mcp.Tool{Name: "check_messages", InputSchema: schema}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{StructuredContent: check, Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil
	})
	listener, err := net.Listen("tcp", workload.Anywhere)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "listening on http://%s/mcp\n", listener.Addr())
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true})
	return http.Serve(listener, handler)
}

// hub has 100 agents talk at one hub, and the same load go to tools that do nothing, in turns.
func (b *bench) hub(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	const agents, turns = 100, 3
	span := time.Duration(b.some(10)) * time.Second
	var calls, floor, best float64
	for turn := range turns {
		program := b.program
		program.Data = fmt.Sprint(b.program.Data, "/", turn)
		if err := os.Mkdir(program.Data, 0o700); err != nil {
			return err
		}
		load, err := workload.Converse(ctx, program, agents, span)
		if err != nil {
			return err
		}
		if load.Received != load.Sent || len(load.Faults) > 0 {
			return fmt.Errorf("%d sent, %d received, faults %v", load.Sent, load.Received, load.Faults)
		}
		noop, err := workload.ServeWith(ctx, exec.Command(self, noopHubArg))
		if err != nil {
			return err
		}
		idle := workload.ConverseWith(ctx, noop, agents, span)
		noop.Kill()
		if len(idle.Faults) > 0 {
			return fmt.Errorf("the floor: %v", idle.Faults)
		}
		calls, floor = calls+load.PerSecond()/turns, floor+idle.PerSecond()/turns
		best = max(best, load.PerSecond()/idle.PerSecond())
	}
	b.rows = append(b.rows, row{
		fmt.Sprintf("%d agents at one hub over HTTP, one send to one check, %d × %s, load on the same processors", agents, turns, span),
		fmt.Sprintf("%.0f calls/s, all delivered once; %.2f × the floor (best turn %.2f ×)", calls, calls/floor, best),
		fmt.Sprintf("no-op tools of the same SDK: %.0f calls/s", floor), "≥ 0.65 × the floor", calls >= .65*floor,
	})
	return nil
}

// waiting has 1,000 agents wait at one hub at once, in clear and over TLS.
func (b *bench) waiting(ctx context.Context) error {
	for _, way := range []struct {
		name, listen string
		most         int64
	}{{"in clear", workload.Anywhere, 200e6}, {"over TLS", "0.0.0.0:0", 300e6}} {
		program := b.program
		program.Data = b.program.Data + "/" + way.name[len(way.name)-3:]
		if err := os.Mkdir(program.Data, 0o700); err != nil {
			return err
		}
		rep, err := workload.WaitTogether(ctx, program, b.some(1000), 3, way.listen)
		if err != nil {
			return err
		}
		for _, fault := range rep.Faults {
			fmt.Fprintln(os.Stderr, "waiting:", fault)
		}
		b.rows = append(b.rows, row{
			fmt.Sprintf("%d agents waiting at one hub %s, three broadcasts to all", rep.Agents, way.name),
			fmt.Sprintf("%d messages, %d lost, %d doubled; %.0f MB (%.0f MB at most); p50 %s, p99 %s after the first was sent", rep.Messages, rep.Lost, rep.Doubled,
				float64(rep.RSS)/1e6, float64(rep.PeakRSS)/1e6, ms(rep.Took.At(.5)), ms(rep.Took.At(.99))),
			"–", fmt.Sprintf("0 lost, 0 doubled, ≤ %d MB", way.most/1e6), rep.Lost+rep.Doubled+len(rep.Faults) == 0 && rep.RSS <= way.most,
		})
	}
	return nil
}

// torn has lines cut in the dark, and hubs that get SIGKILL, under load.
func (b *bench) torn(ctx context.Context) error {
	hub, agents := b.program, b.program
	hub.Data, agents.Data = b.program.Data+"/hub", b.program.Data+"/agents"
	hub.Stderr, agents.Stderr = nil, nil
	for _, dir := range []string{hub.Data, agents.Data} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	rep, err := workload.Partition(ctx, workload.Partitions{
		Hub: hub, Agents: agents, Listen: "0.0.0.0:0", Lines: "127.0.0.1", Pairs: 5,
		Cuts: b.some(10), Least: time.Second, Most: 30 * time.Second, Kills: b.some(20), Delay: 20 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	for _, list := range [][]string{rep.Lost, rep.Doubled, rep.Faults} {
		for _, what := range list {
			fmt.Fprintln(os.Stderr, "torn:", what)
		}
	}
	b.rows = append(b.rows, row{
		fmt.Sprintf("%d partitions of 1 to 30 s and %d kills of the hub, TLS, 10 agents", rep.Cuts, rep.Kills),
		fmt.Sprintf("%d sends acknowledged: %d lost, %d doubled, %d other faults; again after healing p50 %s, slowest %.1f s; after a kill %s, %.1f s", rep.Acknowledged,
			len(rep.Lost), len(rep.Doubled), len(rep.Faults), ms(rep.Healed.At(.5)), rep.Healed.At(1).Seconds(), ms(rep.Restarted.At(.5)), rep.Restarted.At(1).Seconds()),
		"–", "0 lost, 0 doubled, ≤ 3 s", len(rep.Lost)+len(rep.Doubled)+len(rep.Faults) == 0 && rep.Healed.At(1) <= 3*time.Second && rep.Restarted.At(1) <= 3*time.Second,
	})
	return nil
}
