package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/workload"
)

// noopArg makes this program the floor's server: the same SDK, one tool that does nothing and answers about as much as send does.
const noopArg = "serve-noop"

func serveNoop() error { return noopServer().Run(context.Background(), &mcp.StdioTransport{}) }

func noopServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "noop", Version: "1"}, &mcp.ServerOptions{Capabilities: &mcp.ServerCapabilities{}})
	schema := map[string]any{"type": "object", "properties": map[string]any{
		"message": map[string]any{"type": "string"}, "key": map[string]any{"type": "string"},
	}}
	answer := map[string]any{
		"conversation_id": "conv_0123456789abcdef", "message_id": "msg_0123456789abcdef", "seq": 1,
		"to": []string{"beta"}, "redacted": 0, "duplicate": false, "unread": 0,
	}
	server.AddTool(&mcp.Tool{Name: "send", InputSchema: schema}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{StructuredContent: answer, Content: []mcp.Content{&mcp.TextContent{Text: "sent msg_0123456789abcdef to beta"}}}, nil
	})
	return server
}

func (b *bench) playNoop(ctx context.Context) (*workload.Player, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return workload.Connect(ctx, "noop", exec.Command(self, noopArg))
}
