package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// call is one call of a tool, its arguments checked against the tool's schema.
type call struct {
	*exchange
	tool      tool
	req       *mcp.CallToolRequest // nil: a poll for it
	arguments map[string]any
}

// result is what a tool gives: the shape that programs read, and a text for models that read only text.
type result struct {
	shape   any
	text    string
	nothing bool // there was nothing to give yet

	question *mcp.ElicitParams // what the client's person is asked first, instead of all this; nil: nothing
	state    string            // what comes back with the answer to it
}

// callTool runs one call of a tool. Whatever goes wrong in it is a result a model can act on; only a request that nobody waits for
// any more ends in a protocol error.
func (s *Server) callTool(ctx context.Context, req *mcp.CallToolRequest, t tool, arguments *schema) (*mcp.CallToolResult, error) {
	x := exchangeFrom(ctx)
	c := &call{exchange: x, tool: t, req: req}
	res, err := func() (result, error) {
		fields, err := readArguments(req.Params.Arguments)
		if err != nil {
			return result{}, err
		}
		if err := arguments.checkObject("", fields, s.showName); err != nil {
			return result{}, err
		}
		c.arguments = fields
		if t.await != nil && c.number(waitArgument) > 0 && keepsTasks(req.Params.Meta) {
			return s.begin(ctx, c)
		}
		return t.call(s, ctx, c)
	}()
	return s.answer(ctx, c, res, err)
}

// answer is what a client gets of a call.
func (s *Server) answer(ctx context.Context, c *call, res result, err error) (*mcp.CallToolResult, error) {
	if err == nil && res.question != nil {
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{questionKey: res.question}, RequestState: res.state}, nil
	}
	if err == nil {
		return &mcp.CallToolResult{StructuredContent: res.shape, Content: []mcp.Content{&mcp.TextContent{Text: res.text}}}, nil
	}
	if ctx.Err() != nil || c.gone.Err() != nil {
		return nil, context.Canceled
	}
	e := bridge.AsError(err)
	if e.Code == bridge.Internal {
		s.log.Error("tool failed", "tool", c.tool.name, "error", err)
	}
	return &mcp.CallToolResult{IsError: true, StructuredContent: e, Content: []mcp.Content{&mcp.TextContent{Text: e.Text()}}}, nil
}

// readArguments decodes the arguments of a call; none at all is none given.
func readArguments(raw json.RawMessage) (map[string]any, error) {
	fields := map[string]any{}
	if len(raw) == 0 {
		return fields, nil
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "the arguments are not an object").WithHint(`pass an object, as in {"message":"hello"}`)
	}
	return fields, nil
}

// showName makes the name of an unknown argument fit for an error text.
func (s *Server) showName(name string) string {
	const longest = 40
	name = s.svc.Redact(name)
	if runes := []rune(name); len(runes) > longest {
		name = string(runes[:longest]) + "…"
	}
	return strings.ToValidUTF8(name, "?")
}

// The arguments by name, of the type that the schema checked. What was left out is zero.

func (c *call) text(name string) string {
	v, _ := c.arguments[name].(string)
	return v
}

func (c *call) number(name string) int {
	v, _ := c.arguments[name].(float64)
	return int(v)
}

// given reports whether an argument was not left out.
func (c *call) given(name string) bool {
	_, ok := c.arguments[name]
	return ok
}

func (c *call) seconds(name string) time.Duration { return time.Duration(c.number(name)) * time.Second }

func (c *call) texts(name string) []string {
	list, _ := c.arguments[name].([]any)
	var texts []string
	for _, v := range list {
		text, _ := v.(string)
		texts = append(texts, text)
	}
	return texts
}

func (c *call) conversation() bridge.ConversationID {
	return bridge.ConversationID(c.text("conversation_id"))
}

// cancelled reports whether an error only says that nobody waits any more.
func cancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
