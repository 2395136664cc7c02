package mcpserver

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// BenchmarkStdio compares a send with a tool that does nothing, through a real client and server joined by pipes: what is between
// them is the bridge, and what is left is the protocol.
func BenchmarkStdio(b *testing.B) {
	for _, store := range []string{"memory", "disk"} {
		path := ":memory:"
		if store == "disk" {
			path = filepath.Join(b.TempDir(), "bridge.db")
		}
		conf := bridge.Defaults()
		conf.Limits, conf.InboxDepth = bridge.NoLimits, 1<<30
		w := worldAt(b, path, conf, Options{})
		w.server.mcp.AddTool(&mcp.Tool{Name: "nothing", InputSchema: json.RawMessage(`{"type":"object"}`)},
			func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil
			})
		_, alpha := w.agent(b, "alpha")
		_, beta := w.agent(b, "beta")
		w.meet(b, alpha, beta)
		for _, version := range []string{"2026-07-28", "2025-06-18"} {
			session := w.client(b, alpha, version, nil)
			for _, call := range []*mcp.CallToolParams{
				{Name: "nothing", Arguments: map[string]any{}},
				{Name: "check_messages", Arguments: map[string]any{}},
				{Name: "send", Arguments: map[string]any{"message": "a message of ordinary length, about the thing we are doing here"}},
			} {
				b.Run(store+"/"+version+"/"+call.Name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if res, err := session.CallTool(w.ctx, call); err != nil || res.IsError {
							b.Fatalf("%v, %v", res, err)
						}
					}
				})
			}
		}
	}
}
