package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// call AGENT TOOL [ARGUMENTS] calls a tool as the agent's MCP client would, at an agentbridge mcp of its own, and prints the result's
// structured content. With TOOL "tools" it prints their names. ANSWER in the environment is what the client's person says to a form:
// an action, and perhaps a decision after a colon.
func call(args []string, stdout io.Writer) error {
	ctx := context.Background()
	o := &mcp.ClientOptions{}
	if said, ok := os.LookupEnv("ANSWER"); ok {
		o.ElicitationHandler = func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			fmt.Fprintln(os.Stderr, req.Params.Message)
			action, decision, _ := strings.Cut(said, ":")
			res := &mcp.ElicitResult{Action: action}
			if decision != "" {
				res.Content = map[string]any{"decision": decision}
			}
			return res, nil
		}
	}
	server := exec.Command("agentbridge", "mcp", "--as", args[0])
	server.Stderr = os.Stderr
	client, err := mcp.NewClient(&mcp.Implementation{Name: "call", Version: "1"}, o).Connect(ctx, &mcp.CommandTransport{Command: server}, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	if args[1] == "tools" {
		list, err := client.ListTools(ctx, nil)
		if err != nil {
			return err
		}
		for _, t := range list.Tools {
			fmt.Fprintln(stdout, t.Name)
		}
		return nil
	}
	var arguments json.RawMessage
	if len(args) > 2 {
		arguments = json.RawMessage(args[2])
	}
	res, err := client.CallTool(ctx, &mcp.CallToolParams{Name: args[1], Arguments: arguments})
	if err != nil {
		return err
	}
	text, err := json.Marshal(res.StructuredContent)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s\n", text)
	if res.IsError {
		return fmt.Errorf("the tool failed: %s", res.Content[0].(*mcp.TextContent).Text)
	}
	return nil
}
