package clients

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind_ListsEveryAgentbridgeAndWhatItCouldNotRead(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(home, ".claude.json"): `{"mcpServers": {"other": {"command": "other"}, "hub": {"command": "/opt/agentbridge-2", "args": ["mcp", "--as", "x"], "env": {"A": "b"}}}}`,
		filepath.Join(home, ".claude", "settings.json"): `{"hooks": {"Stop": [{"hooks": [
			{"type": "command", "command": "say done"}, {"type": "command", "command": "agentbridge hook claude turn-end"}]}]}}`,
		filepath.Join(dir, ".codex", "config.toml"):      "[mcp_servers.bridge]\ncommand = 'agentbridge'\nargs = ['--data', '/d', 'mcp']\n",
		filepath.Join(dir, ".gemini", "settings.json"):   "{]",
		filepath.Join(dir, ".cursor", "hooks.json"):      `{"hooks": {"stop": [{"command": "agentbridge hook cursor turn-end"}]}}`,
		filepath.Join(home, ".gemini", "settings.json"):  "",
		filepath.Join(home, ".cursor", "mcp.json"):       `{"mcpServers": {"bridge": {"command": "agentbridge", "args": ["serve"]}}}`,
		filepath.Join(dir, ".vscode", "mcp.json"):        `{"servers": {"bridge": {"command": "C:\\Apps\\AgentBridge.exe", "args": ["mcp"]}}}`,
		filepath.Join(dir, ".claude", "settings.json"):   `{"hooks": []}`,
		filepath.Join(dir, ".claude", "not-it.json.bak"): `{`,
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, faults := Find(home, dir, func(string) string { return "" })
	want := []Installation{
		{
			Client: "claude", Scope: User, File: filepath.Join(home, ".claude.json"), Name: "hub", Command: "/opt/agentbridge-2",
			Args: []string{"mcp", "--as", "x"}, Env: map[string]string{"A": "b"},
			Hooks: []InstalledHook{{"Stop", "agentbridge hook claude turn-end", filepath.Join(home, ".claude", "settings.json")}},
		},
		{Client: "codex", Scope: Project, File: filepath.Join(dir, ".codex", "config.toml"), Name: "bridge", Command: "agentbridge", Args: []string{"--data", "/d", "mcp"}},
		{Client: "cursor", Scope: Project, Hooks: []InstalledHook{{"stop", "agentbridge hook cursor turn-end", filepath.Join(dir, ".cursor", "hooks.json")}}},
		{Client: "vscode", Scope: Project, File: filepath.Join(dir, ".vscode", "mcp.json"), Name: "bridge", Command: `C:\Apps\AgentBridge.exe`, Args: []string{"mcp"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(faults) != 1 {
		t.Errorf("faults %v, want one", faults)
	}
}

// The paths are the clients' own.
func TestClients_SettingsAreWhereTheClientsLook(t *testing.T) {
	for _, c := range []struct{ os, want string }{
		{"linux", "/h/.config/Code/User"}, {"darwin", "/h/Library/Application Support/Code/User"}, {"windows", "/h/AppData/Roaming/Code/User"},
	} {
		p := nowhere
		p.OS = c.os
		if got := vscodeDir(p); got != filepath.FromSlash(c.want) && runtime.GOOS != "windows" {
			t.Errorf("%s: %s, want %s", c.os, got, c.want)
		}
	}
}

// `claude mcp add` puts a server there if it is not told a scope.
func TestFind_SeesWhatClaudeCodeKeepsForOneDirectory(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	text := `{"projects": {"/elsewhere": {"mcpServers": {"other": {"command": "agentbridge", "args": ["mcp"]}}}, ` +
		quoteJSON(dir) + `: {"mcpServers": {"bridge": {"command": "agentbridge", "args": ["mcp", "--as", "alpha"]}}}}}`
	if err := os.WriteFile(filepath.Join(home, ".claude.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, faults := Find(home, dir, func(string) string { return "" })
	want := []Installation{{Client: "claude", Scope: User, File: filepath.Join(home, ".claude.json"), Name: "bridge", Command: "agentbridge", Args: []string{"mcp", "--as", "alpha"}}}
	if diff := cmp.Diff(want, got); diff != "" || len(faults) != 0 {
		t.Errorf("(-want +got)\n%s%v", diff, faults)
	}
	if lacks := got[0].Lacks(); len(lacks) != 6 {
		t.Errorf("it lacks %v, want all six hooks", lacks)
	}
}
