package clients

import "path/filepath"

// codex is Codex 0.169.0: servers are in config.toml, as `codex mcp add` writes them, and hooks in hooks.json beside it. A project's
// are read once the user trusts the project.
var codex = Client{
	Name: "codex", Title: "Codex", program: "codex",
	traces: func(p Place) []string { return []string{p.configured("CODEX_HOME", ".codex")} },
	files: func(p Place, s Scope) []settings {
		dir := filepath.Join(p.Dir, ".codex")
		if s == User {
			dir = p.configured("CODEX_HOME", ".codex")
		}
		return []settings{
			{path: filepath.Join(dir, "config.toml"), toml: true, servers: "mcp_servers", server: codexServer},
			{path: filepath.Join(dir, "hooks.json"), entry: secondsHook, hooks: []moment{
				{"SessionStart", SessionStart}, {"UserPromptSubmit", Prompt}, {"PostToolUse", Tool}, {"Stop", TurnEnd},
			}},
		}
	},
	note: func(s Scope) string {
		if s == Project {
			return "Codex reads a project's settings once you trust the project, and asks about new hooks: /hooks in Codex"
		}
		return "Codex asks about new hooks before it runs them: /hooks in Codex"
	},
}

// codexServer gives a tool as long as Codex lets one wait unasked, and a slow disk time to start it.
func codexServer(c command) object {
	return append(plainServer(c), member{"startup_timeout_sec", 30}, member{"tool_timeout_sec", 300})
}

func secondsHook(_ moment, line string) object {
	return object{{"type", "command"}, {"command", line}, {"timeout", hookSeconds}}
}
