package clients

import (
	"bytes"
	"encoding/json"
	"io"
)

// Call is what a client tells a hook on stdin, as far as the bridge asks for it. What is missing, or is not what it should be, is
// empty: a hook does its work with whatever it gets.
type Call struct {
	Event     string // in the client's own words
	Session   string
	Dir       string // where the agent works
	Continued bool   // the turn goes on because a hook wanted it so
	Loops     int    // how often in a row, where the client counts
	Inner     bool   // it is about an agent inside the client's agent, which has no inbox of its own
	Broken    bool   // the turn was broken off, or failed
}

// maxCall bounds what is read of a call: a tool's answer can be in it.
const maxCall = 16 << 20

// ReadCall reads one call, no further than to its end, so that a client that leaves stdin open holds nobody up. Where it is cut off,
// what came before counts. whole is false where there is, or may be, more to read.
func ReadCall(r io.Reader) (c Call, whole bool) {
	d := json.NewDecoder(io.LimitReader(r, maxCall))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return c, false
	}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return c, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return c, false
		}
		c.take(key, value)
	}
	_, err := d.Token()
	return c, err == nil
}

// maxWord is the longest value that is taken: paths are bounded, and the others are ids.
const maxWord = 8 << 10

func (c *Call) take(key string, value json.RawMessage) {
	if len(value) > maxWord {
		return
	}
	text := func() (s string) {
		if json.Unmarshal(value, &s) != nil {
			return ""
		}
		return s
	}
	switch key {
	case "hook_event_name":
		c.Event = text()
	case "session_id":
		c.Session = text()
	case "conversation_id": // Cursor's
		if c.Session == "" {
			c.Session = text()
		}
	case "cwd":
		if s := text(); s != "" {
			c.Dir = s
		}
	case "workspace_roots": // Cursor's
		var roots []string
		if json.Unmarshal(value, &roots) == nil && len(roots) > 0 && c.Dir == "" {
			c.Dir = roots[0]
		}
	case "stop_hook_active":
		c.Continued = bytes.Equal(value, []byte("true"))
	case "loop_count":
		if json.Unmarshal(value, &c.Loops) != nil {
			c.Loops = 0
		}
		c.Continued = c.Continued || c.Loops > 0
	case "agent_id": // Claude Code's, of its subagents alone
		c.Inner = text() != ""
	case "status": // Cursor's
		s := text()
		c.Broken = s == "aborted" || s == "error"
	}
}
