package clients

import "path/filepath"

// cursor is Cursor, by its documentation; nobody ran it here. Its hooks can say something to the model at the end of a turn, and
// loop_limit bounds how often in a row.
var cursor = Client{
	Name: "cursor", Title: "Cursor", program: "cursor",
	traces: func(p Place) []string { return []string{filepath.Join(p.Home, ".cursor")} },
	files: func(p Place, s Scope) []settings {
		dir := p.Dir
		if s == User {
			dir = p.Home
		}
		return []settings{
			{path: filepath.Join(dir, ".cursor", "mcp.json"), servers: "mcpServers", server: plainServer},
			{
				path: filepath.Join(dir, ".cursor", "hooks.json"), flat: true, preface: object{{"version", 1}},
				hooks: []moment{{"stop", TurnEnd}},
				entry: func(_ moment, line string) object { return object{{"command", line}, {"loop_limit", 5}} },
			},
		}
	},
}
