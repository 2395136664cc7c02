package clients

import "path/filepath"

// gemini is Gemini CLI 0.61.0: one settings.json has its servers and its hooks (docs/hooks/reference.md in its package). The time-out
// of a hook is in milliseconds.
var gemini = Client{
	Name: "gemini", Title: "Gemini CLI", program: "gemini",
	traces: func(p Place) []string { return []string{filepath.Join(p.Home, ".gemini")} },
	files: func(p Place, s Scope) []settings {
		dir := p.Dir
		if s == User {
			dir = p.Home
		}
		return []settings{{
			path: filepath.Join(dir, ".gemini", "settings.json"), servers: "mcpServers", server: plainServer, entry: geminiHook,
			hooks: []moment{{"SessionStart", SessionStart}, {"BeforeAgent", Prompt}, {"AfterTool", Tool}, {"AfterAgent", TurnEnd}},
		}}
	},
	note: func(s Scope) string {
		if s == Project {
			return "Gemini CLI reads a project's settings once you trust its folder"
		}
		return "Gemini CLI starts servers only in folders that you trust"
	},
}

func geminiHook(_ moment, line string) object {
	return object{{"name", "agentbridge"}, {"type", "command"}, {"command", line}, {"timeout", hookSeconds * 1000}}
}
