package mcpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// AgentsPath is where a hub serves the processes of remote agents; the name of a call follows it.
const AgentsPath = "/agent/"

// AgentCall is what a remote agent's process sends. The answer is an [AgentAnswer].
type AgentCall struct {
	// Call names what takes something, a batch or a task, so that it can be undone where the answer gets lost: 8 to 64 letters and digits,
	// used for one try only. See [bridge.Service.Recall].
	Call    string          `json:"call,omitempty"`
	Passing bool            `json:"passing,omitempty"` // see [bridge.Caller.Passing]
	Request json.RawMessage `json:"request"`
}

// AgentAnswer is the answer to a call: a result, or an error. Before it comes white space, every [AgentBeat] that it takes.
type AgentAnswer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *bridge.Error   `json:"error,omitempty"`
}

// AgentBeat is how often a hub shows that it is still at a call. Where nothing comes for much longer, nobody is there.
const AgentBeat = 1500 * time.Millisecond

// Waits and claims as they travel.
type (
	// AwaitedMessages asks for [bridge.Service.AwaitMessages], AwaitedTask for AwaitTask; the answer is a bool.
	AwaitedMessages = bridge.CheckRequest
	AwaitedTask     = bridge.ClaimTaskRequest
	// AwaitedChange asks for [bridge.Service.AwaitChange].
	AwaitedChange struct {
		Conversation bridge.ConversationID `json:"conversation_id"`
		Seen         bridge.Mark           `json:"seen"`
		Wait         time.Duration         `json:"wait"`
	}
	// Claimed is a claim, with what its own shape does not tell.
	Claimed struct {
		bridge.ClaimTaskResult
		Again bool `json:"again"`
	}
	// Partnered tells who is there, with the numbers of the messages, which the shape of a delivery does not tell.
	Partnered struct {
		bridge.PartnersResult
		Seqs []int64 `json:"seqs"`
	}
	// Unclaimed names a claim to be given back.
	Unclaimed struct {
		Conversation bridge.ConversationID `json:"conversation_id"`
		Task         bridge.TaskID         `json:"task_id"`
		LeaseToken   int64                 `json:"lease_token"`
	}
	// Succeeded is the token that follows the one that asked.
	Succeeded struct {
		Token string `json:"token"`
	}
	// Nothing is no request, or no result.
	Nothing struct{}
)

// agentCall serves one call by its name.
type agentCall func(ctx context.Context, s *bridge.Service, c bridge.Caller, request json.RawMessage) (any, error)

// agentCalls are all of them. None of them waits but those that take nothing: where a connection breaks in the dark, a hub cannot know, and
// must not hand out anything into it later.
var agentCalls = map[string]agentCall{
	"create":        passed((*bridge.Service).Create),
	"join":          passed((*bridge.Service).Join),
	"send":          passed((*bridge.Service).Send),
	"update_status": passed((*bridge.Service).SetStatus),
	"add_task":      passed((*bridge.Service).AddTask),
	"update_task":   passed((*bridge.Service).UpdateTask),
	"list_tasks":    passed((*bridge.Service).ListTasks),
	// Asking again takes nothing, so it may wait.
	"run_command": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, q bridge.RunCommandRequest) (bridge.CommandView, error) {
		if q.ID == "" {
			q.Wait = 0
		}
		return s.RunCommand(ctx, c, q)
	}),
	"answer_command": passed((*bridge.Service).AnswerCommand),
	"may_ask_for_commands": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, _ Nothing) (bool, error) {
		return s.MayAskForCommands(ctx, c)
	}),
	"conversation": passed((*bridge.Service).Conversation),

	"check": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, q bridge.CheckRequest) (bridge.CheckResult, error) {
		q.Wait = 0
		return s.Check(ctx, c, q)
	}),
	"claim": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, q bridge.ClaimTaskRequest) (Claimed, error) {
		q.Wait = 0
		res, err := s.ClaimTask(ctx, c, q)
		return Claimed{res, res.Again}, err
	}),
	"partners": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, q bridge.PartnersRequest) (Partnered, error) {
		res, err := s.Partners(ctx, c, q)
		seqs := make([]int64, len(res.Deliveries))
		for i, d := range res.Deliveries {
			seqs[i] = d.Seq
		}
		return Partnered{res, seqs}, err
	}),
	"ack": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, receipt bridge.Receipt) (Nothing, error) {
		return Nothing{}, s.Ack(ctx, c, receipt, bridge.Explicit)
	}),
	"give_back": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, receipt bridge.Receipt) (Nothing, error) {
		return Nothing{}, s.GiveBack(ctx, c, receipt)
	}),
	"unclaim": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, q Unclaimed) (Nothing, error) {
		return Nothing{}, s.UnclaimTask(ctx, c, q.Conversation, q.Task, q.LeaseToken)
	}),
	"reclaim": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, _ Nothing) (Nothing, error) {
		return Nothing{}, s.Reclaim(ctx, c)
	}),
	"heartbeat": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, p bridge.Pulse) (Nothing, error) {
		return Nothing{}, s.Heartbeat(ctx, c, bridge.Pulse{End: p.End})
	}),
	"unread": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, _ Nothing) (int, error) {
		return s.Unread(ctx, c)
	}),

	"succeed_token": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, _ Nothing) (Succeeded, error) {
		token, err := s.SucceedToken(ctx, c)
		return Succeeded{token}, err
	}),

	"await_messages": passed((*bridge.Service).AwaitMessages),
	"await_task":     passed((*bridge.Service).AwaitTask),
	"await_change": passed(func(s *bridge.Service, ctx context.Context, c bridge.Caller, q AwaitedChange) (bridge.Mark, error) {
		return s.AwaitChange(ctx, c, q.Conversation, q.Seen, min(q.Wait, feedLook))
	}),
}

// taking are the calls that take something, which have names of their own.
var taking = map[string]bool{"check": true, "claim": true}

// passed makes a call of a method of the bridge.
func passed[Q, R any](do func(*bridge.Service, context.Context, bridge.Caller, Q) (R, error)) agentCall {
	return func(ctx context.Context, s *bridge.Service, c bridge.Caller, request json.RawMessage) (any, error) {
		var q Q
		decoder := json.NewDecoder(bytes.NewReader(request))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&q); err != nil { // not shown: it may show a piece of a text
			return nil, bridge.Errorf(bridge.Invalid, "the hub does not understand the request").WithHint("the agentbridge of the hub and that of the agent should be of one version")
		}
		return do(s, ctx, c, q)
	}
}

// Agents serves the processes of remote agents: `agentbridge mcp --server` and the verbs. POST [AgentsPath]NAME with a bearer token does
// what the [bridge.Service] does by that name, with its rules and no others. See doc/decisions/0025-remote-agents.md.
func (s *Server) Agents() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := sameOrigin(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "a call is a POST", http.StatusMethodNotAllowed)
			return
		}
		caller, err := s.authenticate(r)
		if err != nil {
			s.turnAway(w, err)
			return
		}
		var q AgentCall
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)) // to its end, by which time-outs of bodies are over
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil || json.Unmarshal(body, &q) != nil {
			http.Error(w, "a JSON object is needed", http.StatusBadRequest)
			return
		}
		caller.Passing = q.Passing
		defer s.hub.Attend(caller)() // an open request is a heartbeat
		s.serveAgent(w, r, caller, q)
	})
}

// serveAgent does what a call asks for, and answers.
func (s *Server) serveAgent(w http.ResponseWriter, r *http.Request, caller bridge.Caller, q AgentCall) {
	ctx, end := context.WithCancel(r.Context())
	defer end()
	defer context.AfterFunc(s.closing, end)()
	out := newBeating(w)
	res, err := s.agentCall(ctx, strings.TrimPrefix(r.URL.Path, AgentsPath), caller, q)
	if cancelled(err) {
		err = bridge.Errorf(bridge.Unavailable, "the hub is closing")
	}
	answer := AgentAnswer{}
	if err == nil {
		answer.Result, err = json.Marshal(res)
	}
	if err != nil {
		answer.Error = bridge.AsError(err)
		if answer.Error.Code == bridge.Internal {
			s.log.Error("a remote agent's call failed", "error", err)
		}
	}
	body, err := json.Marshal(answer)
	if err == nil {
		err = out.end(body)
	}
	if err != nil && q.Call != "" { // nobody reads it
		s.undoCall(context.WithoutCancel(ctx), caller, q.Call)
	}
}

// agentCall finds the call and does it. What takes something is told apart from its late tries.
func (s *Server) agentCall(ctx context.Context, name string, caller bridge.Caller, q AgentCall) (any, error) {
	if name == "recall" {
		if !callName.MatchString(q.Call) {
			return nil, badCallName()
		}
		return Nothing{}, s.undoCall(ctx, caller, q.Call)
	}
	do := agentCalls[name]
	switch {
	case do == nil:
		return nil, bridge.Errorf(bridge.Invalid, "the hub knows no such call").WithHint("the agentbridge of the hub and that of the agent should be of one version")
	case !taking[name]:
		return do(ctx, s.hub, caller, q.Request)
	case !callName.MatchString(q.Call):
		return nil, badCallName()
	}
	ctx, over, err := s.tries.begin(ctx, tryOf(caller, q.Call))
	if err != nil {
		return nil, err
	}
	defer over()
	caller.Call = q.Call
	return do(ctx, s.hub, caller, q.Request)
}

// undoCall gives back what a call took, and sees to it that it takes nothing any more.
func (s *Server) undoCall(ctx context.Context, caller bridge.Caller, call string) error {
	if err := s.tries.void(ctx, tryOf(caller, call)); err != nil {
		return err
	}
	caller.Call = call
	return s.hub.Recall(ctx, caller)
}
