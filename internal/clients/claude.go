package clients

import "path/filepath"

// claude is Claude Code 2.1.330: `claude mcp add` writes the same servers into the same files, and its hooks are in settings.json.
//
// A Stop and a SessionStart hook with asyncRewake wait in the background and wake an idle model; its time-out is in seconds.
var claude = Client{
	Name: "claude", Title: "Claude Code", program: "claude",
	traces: func(p Place) []string {
		return []string{p.configured("CLAUDE_CONFIG_DIR", ".claude"), filepath.Join(p.Home, ".claude.json")}
	},
	files: func(p Place, s Scope) []settings {
		servers, hooks := filepath.Join(p.Dir, ".mcp.json"), filepath.Join(p.Dir, ".claude", "settings.json")
		if s == User {
			servers = filepath.Join(p.configured("CLAUDE_CONFIG_DIR", ""), ".claude.json")
			hooks = filepath.Join(p.configured("CLAUDE_CONFIG_DIR", ".claude"), "settings.json")
		}
		return []settings{
			{path: servers, servers: "mcpServers", server: stdioServer, local: p.localIn(s)},
			{path: hooks, entry: claudeHook, hooks: []moment{
				{"SessionStart", SessionStart},
				{"SessionStart", Idle},
				{"UserPromptSubmit", Prompt},
				{"PostToolUse", Tool},
				{"Stop", TurnEnd},
				{"Stop", Idle},
			}},
		}
	},
	note: func(s Scope) string {
		if s == Project {
			return "Claude Code asks each user of the project once whether its servers may run"
		}
		return ""
	},
}

// localIn is where in the user's file the servers are that `claude mcp add` makes if it is not told a scope: those of one directory.
func (p Place) localIn(s Scope) []string {
	if s != User {
		return nil
	}
	return []string{"projects", p.Dir, "mcpServers"}
}

// stdioServer is a server as Claude Code and VS Code write it.
func stdioServer(c command) object {
	return object{{"type", "stdio"}, {"command", c.path}, {"args", words(c.args)}}
}

// plainServer is a server as it is for other clients.
func plainServer(c command) object {
	return object{{"command", c.path}, {"args", words(c.args)}}
}

// idleSeconds is how long a background hook may wait, a little longer than the wait it is told in idleWait.
const (
	idleSeconds = 12*60*60 + 60
	idleWait    = " --wait 12h"
	hookSeconds = 10
)

func claudeHook(m moment, line string) object {
	hook := object{{"type", "command"}, {"command", line}, {"timeout", hookSeconds}}
	if m.ours == Idle {
		hook[1].value, hook[2].value = line+idleWait, idleSeconds
		hook = append(hook, member{"asyncRewake", true})
	}
	return hook
}
