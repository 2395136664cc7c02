package clients

import "path/filepath"

// vscode is Visual Studio Code, by its documentation; nobody ran it here. Its servers are in an mcp.json of their own. Whether it runs
// hooks as Claude Code does is not known, so it is given none.
var vscode = Client{
	Name: "vscode", Title: "VS Code", program: "code",
	traces: func(p Place) []string { return []string{vscodeDir(p)} },
	files: func(p Place, s Scope) []settings {
		dir := filepath.Join(p.Dir, ".vscode")
		if s == User {
			dir = vscodeDir(p)
		}
		return []settings{{path: filepath.Join(dir, "mcp.json"), servers: "servers", server: stdioServer}}
	},
}

// vscodeDir is where VS Code keeps its user's settings.
func vscodeDir(p Place) string {
	switch p.OS {
	case "darwin":
		return filepath.Join(p.Home, "Library", "Application Support", "Code", "User")
	case "windows":
		return filepath.Join(p.configured("APPDATA", filepath.Join("AppData", "Roaming")), "Code", "User")
	}
	return filepath.Join(p.configured("XDG_CONFIG_HOME", ".config"), "Code", "User")
}
