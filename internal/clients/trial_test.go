package clients

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the doctor says to a hook has the fields that the client's own calls have, and the hook understands it.
func TestTrial_IsWhatTheClientWouldSay(t *testing.T) {
	inputs, err := filepath.Glob("testdata/hooks/*.in.json")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("%d inputs, %v", len(inputs), err)
	}
	for _, input := range inputs {
		client, event, _ := strings.Cut(strings.TrimSuffix(filepath.Base(input), ".in.json"), ".")
		text, err := os.ReadFile(input)
		if err != nil {
			t.Fatal(err)
		}
		hook, call, err := InstalledHook{Event: event}.Trial(client, "s", "/d")
		if err != nil {
			t.Fatal(err)
		}
		var want, got map[string]any
		if json.Unmarshal(text, &want) != nil || json.Unmarshal(call, &got) != nil {
			t.Fatalf("%s: no JSON", input)
		}
		for _, name := range []string{"hook_event_name", "session_id", "conversation_id", "cwd", "workspace_roots", "source", "stop_hook_active", "status", "turn_id", "tool_name"} {
			if _, ok := want[name]; ok && got[name] == nil {
				t.Errorf("%s %s: %s is not in %s", client, event, name, call)
			}
		}
		c, whole := ReadCall(bytes.NewReader(call))
		if !whole || c.Event != event || c.Session != "s" || c.Dir != "/d" || c.Continued || c.Inner || c.Broken {
			t.Errorf("%s %s: ReadCall = %+v, %v", client, event, c, whole)
		}
		if _, ok := hook.For(c); !ok {
			t.Errorf("%s %s: the hook has no use for it", client, event)
		}
	}
}

func TestEnviron_IsWhatTheClientHandsOn(t *testing.T) {
	environ := []string{"HOME=/h", "PATH=/p", "XDG_DATA_HOME=/x", "AGENTBRIDGE_DATA=/y", "AGENTBRIDGE_TOKEN=t"}
	if got, want := (Installation{Client: "codex", Env: map[string]string{"A": "1"}}).Environ(environ), []string{"HOME=/h", "PATH=/p", "A=1"}; !slices.Equal(got, want) {
		t.Errorf("codex: %q, want %q", got, want)
	}
	if got := (Installation{Client: "gemini"}).Environ(environ); !slices.Equal(got, environ[:4]) {
		t.Errorf("gemini: %q, want all but the token", got)
	}
	if got := (Installation{Client: "claude"}).Environ(environ); !slices.Equal(got, environ) {
		t.Errorf("claude: %q, want all", got)
	}
}
