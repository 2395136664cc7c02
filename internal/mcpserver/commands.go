package mcpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

const (
	questionKey    = "approval"
	commandPurpose = "command"
	commandWait    = 50 * time.Second // where a call says nothing: some clients cut off longer ones
	decisionField  = "decision"
	decideYes      = "approve once"
	decideNo       = "deny"
	decideLater    = "decide on a terminal"
)

func (s *Server) runCommand(ctx context.Context, c *call) (result, error) {
	q := bridge.RunCommandRequest{
		Conversation: c.conversation(), Command: c.text("command"), Reason: c.text("reason"), ID: bridge.CommandID(c.text("command_id")), Wait: commandWait,
	}
	if c.given(waitArgument) {
		q.Wait = c.seconds(waitArgument)
	}
	switch {
	case q.ID == "" && q.Command == "":
		return result{}, bridge.Errorf(bridge.Invalid, "there is no command").WithHint("give command, as a shell would get it, or command_id to ask what became of one")
	case len(c.req.Params.InputResponses) > 0:
		v, err := s.answered(ctx, c)
		if err != nil || v.State.Final() {
			return commandResult(v), err
		}
		q = bridge.RunCommandRequest{Conversation: v.Conversation, ID: v.ID, Wait: q.Wait}
	case q.ID == "" && elicits(c.req):
		v, err := s.svc.RunCommand(ctx, c.caller, bridge.RunCommandRequest{Conversation: q.Conversation, Command: q.Command, Reason: q.Reason})
		if err != nil {
			return result{}, err
		}
		if v.State == bridge.CommandWaiting {
			c.asked = v
			return result{question: question(v), state: s.svc.Seal(c.caller, commandPurpose, questioned(v))}, nil
		}
		q = bridge.RunCommandRequest{Conversation: v.Conversation, ID: v.ID, Wait: q.Wait}
	}
	v, left, err := wait(ctx, waiting{c, q.Wait}, func(ctx context.Context, atMost time.Duration) (bridge.CommandView, error) {
		q.Wait = atMost
		return s.svc.RunCommand(ctx, c.caller, q)
	})
	if left { // it was asked for, or not: what is known of it is told without waiting
		return result{}, bridge.Errorf(bridge.Unavailable, "the bridge is closing").WithHint("ask again with command_id; a command that was asked for is announced when it has ended")
	}
	return commandResult(v), err
}

// elicits reports whether the client can ask its person something.
func elicits(req *mcp.CallToolRequest) bool {
	can := req.ClientCapabilities()
	return can != nil && can.Elicitation != nil && (can.Elicitation.Form != nil || can.Elicitation.URL == nil)
}

// question is what a person sees: everything that will run, and how it will.
func question(v bridge.CommandView) *mcp.ElicitParams {
	yes, how := decideLater, fmt.Sprintf("To approve it, run on a terminal, until %s: agentbridge approve %s", clock(v.ExpiresAt), v.ID)
	if v.InClient {
		yes, how = decideYes, fmt.Sprintf("Approved until %s, it runs once.", clock(v.ExpiresAt))
	}
	reason := "none was given"
	if v.Reason != "" {
		reason = fmt.Sprintf("%q", v.Reason)
	}
	schema, _ := json.Marshal(map[string]any{
		"type": "object", "required": []string{decisionField},
		"properties": map[string]any{decisionField: map[string]any{"type": "string", "title": "May it run?", "enum": []string{decideNo, yes}}},
	})
	return &mcp.ElicitParams{
		Mode: "form", RequestedSchema: json.RawMessage(schema),
		// The command comes first: clients show the beginning, and more if they are asked to.
		Message: fmt.Sprintf("%s asks to run, in %s mode:\n%s\nIn %s, in the sandbox, without network. Its reason: %s. The policy: %s, %s.\n%s",
			v.From, v.Mode, "| "+strings.ReplaceAll(v.Command, "\n", "\n| "), v.Workspace, reason, v.Policy, v.PolicyWhy, how),
	}
}

// questioned is what is sealed into the state of a question: the command, and nothing that a client could change.
func questioned(v bridge.CommandView) []byte {
	return fmt.Appendf(nil, "%s %s %d", v.Conversation, v.ID, v.ExpiresAt.Unix())
}

// answered takes the answer to a question. What comes a second time changes nothing: how the command stands is the answer.
func (s *Server) answered(ctx context.Context, c *call) (v bridge.CommandView, err error) {
	what, ok := s.svc.Unseal(c.caller, commandPurpose, c.req.Params.RequestState)
	var q bridge.CommandAnswer
	var until int64
	if ok {
		_, err := fmt.Sscanf(string(what), "%s %s %d", &q.Conversation, &q.ID, &until)
		ok = err == nil
	}
	if !ok {
		return v, bridge.Errorf(bridge.Invalid, "requestState is not what a question of this bridge came with").WithHint("call run_command anew, and give back requestState as it came")
	}
	stands := func() (bridge.CommandView, error) {
		v, err := s.svc.RunCommand(ctx, c.caller, bridge.RunCommandRequest{Conversation: q.Conversation, ID: q.ID})
		if err == nil && v.Command != c.text("command") {
			return v, bridge.Errorf(bridge.Invalid, "the question was about another command").WithHint("call run_command anew")
		}
		return v, err
	}
	if v, err = stands(); err != nil {
		return v, err
	}
	said, ok := c.req.Params.InputResponses[questionKey].(*mcp.ElicitResult)
	if !ok {
		return v, bridge.Errorf(bridge.Invalid, "the answer to %q is missing", questionKey).WithHint("answer the form, with decision, or cancel it")
	}
	decision, _ := said.Content[decisionField].(string)
	switch {
	case said.Action == "decline", said.Action == "accept" && decision == decideNo:
	case said.Action == "accept" && decision == decideYes:
		q.Yes = true
	default:
		return v, nil // it goes on waiting
	}
	v, err = s.svc.AnswerCommand(ctx, c.caller, q)
	if errors.Is(err, bridge.Conflict) || errors.Is(err, bridge.Expired) {
		return stands()
	}
	return v, err
}

// elicits serves a request. Where the client of an older protocol could not be asked after all, or its person did not answer while the
// command could be approved, the call goes on without.
func (s *Server) elicits(ctx context.Context, next mcp.MethodHandler, method string, req mcp.Request) (mcp.Result, error) {
	called, ok := req.(*mcp.CallToolRequest)
	if !ok || called.Params.Name != runCommand || len(called.Params.InputResponses) > 0 {
		return next(ctx, method, req)
	}
	x := exchangeFrom(ctx)
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	res, err := next(asking, method, req)
	if err == nil || x.asked.ID == "" || ctx.Err() != nil || x.gone.Err() != nil {
		return res, err
	}
	s.log.Info("the client's person could not be asked", "command", string(x.asked.ID), "error", s.svc.Redact(err.Error()))
	c := &call{exchange: x, req: called}
	v, err := s.svc.RunCommand(ctx, x.caller, bridge.RunCommandRequest{Conversation: x.asked.Conversation, ID: x.asked.ID})
	return s.answer(ctx, c, commandResult(v), err)
}

// askWithin is how long a person of an older client may take, and the command after that: somewhat longer than anything is approved for.
const askWithin = 10 * time.Minute

// commandResult is what a model gets of a command.
func commandResult(v bridge.CommandView) result {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", v.ID, v.State)
	if v.ExitCode != nil {
		fmt.Fprintf(&b, ", exit status %d", *v.ExitCode)
	}
	if v.Outcome != "" {
		fmt.Fprintf(&b, ", %s", v.Outcome)
	}
	switch {
	case v.State == bridge.CommandWaiting:
		fmt.Fprintf(&b, ". A person decides until %s. Ask again with command_id; you are told in a message when it has ended.", clock(v.ExpiresAt))
	case !v.State.Final():
		b.WriteString(". Ask again with command_id; you are told in a message when it has ended.")
	case v.Why != "":
		fmt.Fprintf(&b, ": %s", v.Why)
	}
	if v.Truncated {
		fmt.Fprintf(&b, "\nIts output was %d bytes, and this is a part of it:", v.OutputBytes)
	}
	if v.Output != "" {
		fmt.Fprintf(&b, "\n%s", bridge.FrameOutput(v.Output))
	}
	return result{shape: &v, text: b.String() + unread(v.Unread)}
}
