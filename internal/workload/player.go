// Package workload plays agents, as real MCP clients with processes of their own: for load, for proof and for show.
package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// Program is an agentbridge binary over a data directory.
type Program struct {
	Path   string
	Data   string
	Env    []string        // further settings, such as AGENTBRIDGE_LIMITS=off
	Within []string        // what starts it, such as nsenter --net=FILE; nil: nothing
	Stderr io.Writer       // of every process; nil: nowhere
	Fate   func() []string // further environment of each agent's process; nil: none
	Server string          // address of the hub that its agents are at; empty: they are in the store of Data
}

// Command prepares a run of the program that sees none of this process's own AGENTBRIDGE_ settings.
func (p Program) Command(args ...string) *exec.Cmd {
	words := slices.Concat(p.Within, []string{p.Path, "--data", p.Data}, args)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AGENTBRIDGE_") })
	cmd.Env = append(cmd.Env, p.Env...)
	cmd.Stderr = p.Stderr
	return cmd
}

// Player is an agent: an MCP client, mostly with an `agentbridge mcp` process behind it.
type Player struct {
	Name    string
	process *exec.Cmd // nil: it came over another transport
	session *mcp.ClientSession
	hangUp  func() // closes what the session leaves open; nil: nothing
}

// Play starts an agent's process and connects to it. The caller ends it with [Player.Leave] or [Player.Kill].
func (p Program) Play(ctx context.Context, name string) (*Player, error) {
	cmd := p.Command("mcp", "--as", name)
	if p.Server != "" {
		cmd = p.Command("mcp", "--as", name, "--server", p.Server)
	}
	if p.Fate != nil {
		cmd.Env = append(cmd.Env, p.Fate()...)
	}
	return Connect(ctx, name, cmd)
}

// Connect starts any MCP server on stdio and connects to it.
func Connect(ctx context.Context, name string, server *exec.Cmd) (*Player, error) {
	p, err := Dial(ctx, name, &mcp.CommandTransport{Command: server})
	if err == nil {
		p.process = server
	}
	return p, err
}

// Dial connects to an MCP server over any transport.
func Dial(ctx context.Context, name string, transport mcp.Transport) (*Player, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "agentbridge-player", Version: "1"}, nil)
	session, err := client.Connect(ctx, transport, nil)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", name, err)
	}
	return &Player{Name: name, session: session}, nil
}

// Call calls a tool and reads its answer. A refusal comes back as the [bridge.Error] that it is; any other error is the
// connection's, and then nobody knows whether the call was carried out.
func (p *Player) Call(ctx context.Context, tool string, arguments, answer any) error {
	res, err := p.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return fmt.Errorf("%s calls %s: %w", p.Name, tool, err)
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
		return fmt.Errorf("%s calls %s: %w", p.Name, tool, refusal)
	}
	return json.Unmarshal(shape, answer)
}

// Send sends a message under a key.
func (p *Player) Send(ctx context.Context, text, key string) (res bridge.SendResult, err error) {
	err = p.Call(ctx, "send", map[string]any{"message": text, "key": key}, &res)
	return res, err
}

// Check takes the next batch, waiting for it; what came before is acked by coming back.
func (p *Player) Check(ctx context.Context, seconds int) (res bridge.CheckResult, err error) {
	err = p.Call(ctx, "check_messages", map[string]any{"wait_seconds": seconds, "limit": 50}, &res)
	return res, err
}

// Meet makes a conversation of the first player and the others, all of them joined.
func Meet(ctx context.Context, creator *Player, others ...*Player) (bridge.ConversationID, error) {
	var partners []map[string]any
	for _, o := range others {
		partners = append(partners, map[string]any{"name": o.Name, "role": "partner"})
	}
	var made bridge.CreateResult
	if err := creator.Call(ctx, "create_conversation", map[string]any{"role": "lead", "partners": partners}, &made); err != nil {
		return "", err
	}
	for i, o := range others {
		if err := o.Call(ctx, "join_conversation", map[string]any{"code": made.Invites[i].Code}, &bridge.JoinResult{}); err != nil {
			return "", err
		}
	}
	return made.Conversation, nil
}

// Tools lists the server's tools as a client gets them.
func (p *Player) Tools(ctx context.Context) ([]*mcp.Tool, error) {
	res, err := p.session.ListTools(ctx, nil)
	if err != nil {
		return nil, err
	}
	return res.Tools, nil
}

// Ping makes the round trip of a call that asks for nothing.
func (p *Player) Ping(ctx context.Context) error { return p.session.Ping(ctx, nil) }

// PID is the id of the player's process.
func (p *Player) PID() int { return p.process.Process.Pid }

// Kill ends the player's process as a crash would: it gets no chance to say anything.
func (p *Player) Kill() {
	p.process.Process.Kill()
	p.session.Close() // waits for the process, and says that it was killed
}

// Leave hangs up and waits for the process to end.
func (p *Player) Leave() error {
	err := p.session.Close()
	if p.hangUp != nil {
		p.hangUp()
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%s ends: %w", p.Name, err)
	}
	return err
}
