package clients

import (
	"encoding/json"
	"maps"
	"runtime"
	"slices"
	"strings"
)

// codexVariables are what Codex 0.169.0 hands on of its environment to an MCP server that it starts. It was run with a server that
// wrote down what it got: neither XDG_DATA_HOME nor any AGENTBRIDGE_ variable was in it.
var codexVariables = []string{
	"HOME", "LOGNAME", "PATH", "SHELL", "USER", "LANG", "LC_ALL", "TERM", "TMPDIR", "TZ", "SYSTEMROOT", "SYSTEMDRIVE", "USERPROFILE", "APPDATA",
	"LOCALAPPDATA", "TEMP", "TMP", "PATHEXT", "COMSPEC", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS",
}

// Environ is the environment in which the client starts the server, if it was started in the given one itself. Claude Code 2.1.330
// hands on all; Gemini CLI 0.61.0 keeps back what may be a secret by its name, as AGENTBRIDGE_TOKEN; both were tried like Codex. That
// others hand on all is assumed.
func (i Installation) Environ(environ []string) []string {
	var env []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		switch {
		case i.Client == codex.Name && !slices.Contains(codexVariables, name):
		case i.Client == gemini.Name && (strings.Contains(name, "TOKEN") || strings.Contains(name, "KEY")):
		default:
			env = append(env, e)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(i.Env)) {
		env = append(env, name+"="+i.Env[name])
	}
	return env
}

// Waits reports whether it is a hook that waits in the background, and does not answer at once.
func (h InstalledHook) Waits() bool {
	_, event, _ := hookOf(h.Command)
	return event == string(Idle)
}

// Agent is the agent that the hook is told to look for; empty: none.
func (h InstalledHook) Agent() (name string) {
	words := strings.Fields(h.Command)
	for i, word := range words {
		if rest, ok := strings.CutPrefix(word, "--as="); ok {
			name = rest
		} else if word == "--as" && i+1 < len(words) {
			name = words[i+1]
		}
	}
	return strings.Trim(name, `'"`)
}

// Lacks lists the hooks that an install would put there and that are not, by the client's own names for their events.
func (i Installation) Lacks() (events []string) {
	c, ok := Named(i.Client)
	if !ok {
		return nil
	}
	for _, f := range c.files(Place{Getenv: func(string) string { return "" }}, i.Scope) {
		for _, m := range f.hooks {
			waits := m.ours == Idle
			if !slices.ContainsFunc(i.Hooks, func(h InstalledHook) bool { return h.Event == m.event && h.Waits() == waits }) {
				events = append(events, m.event+pick(waits, " (idle)", ""))
			}
		}
	}
	return events
}

// Trial is what the client would say to the hook on stdin at its event, in a new session in that directory, and the hook that answers.
func (h InstalledHook) Trial(client, session, dir string) (Hook, []byte, error) {
	hook, err := ParseHook(client, h.Event)
	if err != nil {
		return hook, nil, err
	}
	call := map[string]any{"hook_event_name": hook.name, "cwd": dir, "session_id": session, "transcript_path": nil}
	switch client {
	case claude.Name:
		call["transcript_path"], call["permission_mode"] = dir, "default"
	case codex.Name:
		call["permission_mode"], call["model"] = "default", "none"
		if hook.Event != SessionStart {
			call["turn_id"] = session
		}
	case gemini.Name:
		call["transcript_path"], call["timestamp"] = dir, "2026-11-01T10:00:00.000Z"
	case cursor.Name:
		call = map[string]any{
			"hook_event_name": hook.name, "conversation_id": session, "generation_id": session, "model": "none", "cursor_version": "3.7.21",
			"workspace_roots": []string{dir}, "user_email": nil, "transcript_path": nil,
		}
	}
	switch hook.Event {
	case SessionStart:
		call["source"] = "startup"
	case Prompt:
		call["prompt"] = "go on"
		if client == claude.Name {
			call["source"] = "user"
		}
	case Tool:
		call["tool_name"], call["tool_input"], call["tool_response"], call["tool_use_id"] = "none", struct{}{}, struct{}{}, session
	case TurnEnd:
		call["stop_hook_active"], call["last_assistant_message"] = false, "done"
		if client == cursor.Name {
			call["status"], call["loop_count"] = "completed", 0
		}
	}
	text, err := json.Marshal(call)
	return hook, text, err
}

// HooksOff says what in the client's settings turns all hooks off, as "disableAllHooks in FILE"; empty: nothing.
func (i Installation) HooksOff(home, dir string, getenv func(string) string) string {
	off := map[string]struct {
		keys  []string
		value bool
	}{
		claude.Name: {[]string{"disableAllHooks"}, true},
		codex.Name:  {[]string{"features", "hooks"}, false},
		gemini.Name: {[]string{"hooksConfig", "enabled"}, false},
	}[i.Client]
	c, ok := Named(i.Client)
	if !ok || off.keys == nil {
		return ""
	}
	for _, scope := range []Scope{User, Project} {
		for _, f := range c.files(Place{Home: home, Dir: dir, OS: runtime.GOOS, Getenv: getenv}, scope) {
			text, err := readSettings(f.path)
			if err != nil {
				continue
			}
			tree, err := f.decode(text)
			if err != nil {
				continue // which is told elsewhere
			}
			var at any = tree
			for _, key := range off.keys {
				m, _ := at.(map[string]any)
				at = m[key]
			}
			if at == off.value {
				return strings.Join(off.keys, ".") + " in " + f.path
			}
		}
	}
	return ""
}

// Unconfigured lists the clients of this machine that have no agentbridge in their settings.
func Unconfigured(home, dir string, getenv func(string) string, found []Installation) []Client {
	var none []Client
	for _, c := range All {
		has := slices.ContainsFunc(found, func(i Installation) bool { return i.Client == c.Name })
		if !has && c.Found(Place{Home: home, Dir: dir, OS: runtime.GOOS, Getenv: getenv}) {
			none = append(none, c)
		}
	}
	return none
}
