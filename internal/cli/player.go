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

	"agentbridge/internal/bridge"
)

// player is an agent of the demo: a real MCP client with an `agentbridge mcp` process of its own.
type player struct {
	name    string
	process *exec.Cmd
	session *mcp.ClientSession
}

// play starts an agent's server process over a data directory and connects to it.
func play(ctx context.Context, dir, name string, stderr io.Writer) (*player, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	process := exec.Command(self, "mcp", "--data", dir, "--as", name)
	process.Args[0] = "agentbridge"
	process.Stderr = stderr
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AGENTBRIDGE_") { // the person's own settings are none of the demo's
			process.Env = append(process.Env, e)
		}
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "agentbridge demo", Version: version}, nil)
	session, err := client.Connect(ctx, &mcp.CommandTransport{Command: process}, nil)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &player{name, process, session}, nil
}

// call calls a tool and reads its answer. An error shape comes back as the error that it is.
func (a *player) call(ctx context.Context, tool string, arguments, answer any) error {
	res, err := a.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return fmt.Errorf("%s calls %s: %w", a.name, tool, err)
	}
	shape, err := json.Marshal(res.StructuredContent)
	if err != nil {
		return err
	}
	if res.IsError {
		refusal := &bridge.Error{}
		if err := json.Unmarshal(shape, refusal); err != nil {
			return err
		}
		return fmt.Errorf("%s calls %s: %w", a.name, tool, refusal)
	}
	return json.Unmarshal(shape, answer)
}

// check takes the next batch, waiting for it.
func (a *player) check(ctx context.Context, seconds int) (res bridge.CheckResult, err error) {
	err = a.call(ctx, "check_messages", map[string]any{"wait_seconds": seconds}, &res)
	return res, err
}

// kill ends the agent's process as a crash would: it gets no chance to say anything.
func (a *player) kill() {
	a.process.Process.Kill()
	a.session.Close() // waits for the process
}

// leave hangs up.
func (a *player) leave() error { return a.session.Close() }
