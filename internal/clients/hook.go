package clients

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"agentbridge/internal/bridge"
)

// Event is a moment in an agent's session at which its client runs a hook.
type Event string

// The events, in the order in which a session meets them.
const (
	SessionStart Event = "session-start"
	Prompt       Event = "prompt"   // the user said something, and the model has not seen it yet
	Tool         Event = "tool"     // a tool was used
	TurnEnd      Event = "turn-end" // the model wants to stop
	Idle         Event = "idle"     // it has stopped; the hook waits in the background until something comes
)

// Events are all of them.
var Events = []Event{SessionStart, Prompt, Tool, TurnEnd, Idle}

// HookClients are the clients whose hooks are known.
var HookClients = []string{"claude", "codex", "gemini", "cursor"}

// hookFormat is how one client speaks to its hooks.
type hookFormat struct {
	names map[string]Event // the client's own names for the events; without one for an event, its hooks have none
	// answer puts the bridge's words into the client's output for an event of that name; nil: the client has no place for them.
	answer func(event Event, name, words string) any
	most   int // turn ends in a row at which the model may be kept going
}

// Hook is one client's hook for one event. Make it with [ParseHook].
type Hook struct {
	Client string
	Event  Event
	name   string // the client's own for the event
	format hookFormat
}

// ParseHook finds the hook for an event, which may have our name or the client's own, as turn-end or Stop. A client or an event that
// is not known, or has no such hook, is [bridge.Invalid].
func ParseHook(client, event string) (Hook, error) {
	h := Hook{Client: strings.ToLower(client)}
	switch h.Client {
	case "claude":
		h.format = hookClaude
	case "codex":
		h.format = hookCodex
	case "gemini":
		h.format = hookGemini
	case "cursor":
		h.format = hookCursor
	default:
		return h, bridge.Errorf(bridge.Invalid, "hook: there is no client %q", client).WithHint("the clients are %s", strings.Join(HookClients, ", "))
	}
	if h, ok := h.at(event); ok {
		return h, nil
	}
	h.Event = Event(strings.ToLower(event))
	if h.Event == Idle && h.Client == "claude" {
		return h, nil
	}
	if h.name = h.format.name(h.Event); h.name != "" {
		return h, nil
	}
	if h.Event == Idle {
		return h, bridge.Errorf(bridge.Invalid, "hook: %s has no hook that wakes it when it is idle", h.Client).
			WithHint("let the agent wait in check_messages, or use agentbridge keepalive --on-message")
	}
	var own []string
	for name := range h.format.names {
		own = append(own, name)
	}
	slices.Sort(own)
	return h, bridge.Errorf(bridge.Invalid, "hook: %s has no event %q that the bridge can use", h.Client, event).
		WithHint("the events are session-start, prompt, tool, turn-end and idle, or %s", strings.Join(own, ", "))
}

// at is the hook of this client for one of its own events.
func (h Hook) at(name string) (Hook, bool) {
	for own, event := range h.format.names {
		if strings.EqualFold(own, name) {
			h.name, h.Event = own, event
			return h, true
		}
	}
	return h, false
}

// name is the first name of an event.
func (f hookFormat) name(event Event) (first string) {
	for name, e := range f.names {
		if e == event && (first == "" || len(name) < len(first)) {
			first = name // PostToolUse, not PostToolUseFailure
		}
	}
	return first
}

// For is the hook as the client runs it: what a call says of its event counts more than what was said on the command line, since an
// answer of another event's form would be refused. ok is false for an event that the bridge has no use for.
func (h Hook) For(c Call) (_ Hook, ok bool) {
	if c.Event == "" || h.Event == Idle {
		return h, true
	}
	return h.at(c.Event)
}

// Speaks reports whether the client has a place for words at this event.
func (h Hook) Speaks() bool { return h.Event == Idle || h.format.answer(h.Event, h.name, "-") != nil }

// Output is what the hook writes on stdout to tell the model these words: one line of JSON, as the client's own schema wants it. For
// [Idle] it is nil: there the words go to stderr, with exit status [Wake].
func (h Hook) Output(words string) []byte {
	if h.Event == Idle {
		return nil
	}
	answer := h.format.answer(h.Event, h.name, words)
	if answer == nil {
		return nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(answer) != nil {
		return nil // it is text, so it never is
	}
	return out.Bytes()
}

// Wake is the exit status that wakes an idle model. Of any other event's hook it would stop the client from what it does, so that no
// other hook may end with it, whatever happens.
const Wake = 2

// context is the form in which Claude Code, Codex and Gemini CLI take words that the model is to read beside what it does.
type hookContext struct {
	Specific struct {
		Event   string `json:"hookEventName"`
		Context string `json:"additionalContext"`
	} `json:"hookSpecificOutput"`
}

func inContext(name, words string) any {
	var c hookContext
	c.Specific.Event, c.Specific.Context = name, words
	return c
}

// hookDecision is the form in which they take words that keep the model going.
type hookDecision struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason"`
}
