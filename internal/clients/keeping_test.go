package clients

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"agentbridge/internal/bridge"
)

// A person put agentbridge there by hand, with a token. Another path for it must not cost the token, nor the backup what was there.
func TestInstall_KeepsWhatAPersonAddedToOurServer(t *testing.T) {
	before := `{"mcpServers": {"z": {}, "bridge": {"command": "agentbridge", "args": ["mcp"], "env": {"AGENTBRIDGE_TOKEN": "t"}, "x": 1.0 /* one */}}}`
	p, w := aHome(t, before)
	path := install(t, p, w)[0].Path
	got := read(t, path)
	for _, kept := range []string{`"/opt/agentbridge"`, `"env": {"AGENTBRIDGE_TOKEN": "t"}`, `"x": 1.0`} {
		if !strings.Contains(got, kept) {
			t.Errorf("the file has no %s: %s", kept, got)
		}
	}
	if backup := read(t, path+backupSuffix); backup != before {
		t.Errorf("the backup is %s", backup)
	}
	w.Path = "/usr/bin/agentbridge" // it moved
	install(t, p, w)
	if got := read(t, path); !strings.Contains(got, `"t"`) || !strings.Contains(got, "/usr/bin/agentbridge") {
		t.Errorf("after another install the file is %s", got)
	}
	uninstall(t, p, w)
	if got := read(t, path); got != `{"mcpServers": {"z": {}}}` {
		t.Errorf("after the uninstall the file is %s", got)
	}
}

func TestInstall_KeepsWhatAPersonAddedToOurServerInTOML(t *testing.T) {
	p, w := aHome(t, "{}")
	path := filepath.Join(p.Home, ".codex", "config.toml")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, `[mcp_servers.bridge]
command = "agentbridge"
args = ["mcp", "--as", "zed"]
tool_timeout_sec = 900.0
enabled = true
[mcp_servers.bridge.env]
AGENTBRIDGE_TOKEN = "t"
[mcp_servers.bridge.tools."a b"]
list = [1, 2.5, {q = "x"}]
`)
	changes, err := codex.Install(p, User, w)
	if err == nil {
		err = Apply(changes)
	}
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Servers map[string]struct {
			Command string
			Timeout float64 `toml:"tool_timeout_sec"`
			Start   int     `toml:"startup_timeout_sec"`
			Enabled bool
			Env     map[string]string
			Tools   map[string]struct{ List []any }
		} `toml:"mcp_servers"`
	}
	if _, err := toml.Decode(read(t, path), &got); err != nil {
		t.Fatal(err)
	}
	b := got.Servers["bridge"]
	if b.Command != "/opt/agentbridge" || b.Timeout != 900 || b.Start != 30 || !b.Enabled || b.Env["AGENTBRIDGE_TOKEN"] != "t" || len(b.Tools["a b"].List) != 3 {
		t.Errorf("the server is %+v in\n%s", b, read(t, path))
	}
}

func TestApply_SaysWhatToDoWhereItMayNotWrite(t *testing.T) {
	p, w := aHome(t, "{}")
	path := filepath.Join(p.Home, ".cursor", "mcp.json")
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	changes, err := cursor.Install(p, User, w)
	if err == nil {
		err = Apply(changes)
	}
	if !errors.Is(err, bridge.Denied) || !strings.Contains(bridge.AsError(err).Hint, "chmod u+w") {
		t.Errorf("%v, with the hint %q", err, bridge.AsError(err).Hint)
	}
}

// No file is another thing than an empty one.
func TestUninstall_LeavesAnEmptyFileWhereThereWasOne(t *testing.T) {
	p, w := aHome(t, "{}")
	path := filepath.Join(p.Home, ".codex", "config.toml")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "")
	changes, err := codex.Install(p, User, w)
	if err == nil {
		err = Apply(changes)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(read(t, path), "/opt/", "/usr/bin/", 1)) // touched, so that the backup does not serve
	if changes, err = codex.Uninstall(p, User, w, true); err == nil {
		err = Apply(changes)
	}
	if got := read(t, path); got != "" || err != nil {
		t.Errorf("the file is %q, %v", got, err)
	}
}

// The home directory is no project: its files are what every session of the user reads.
func TestInstall_AProjectInTheHomeDirectoryIsRefused(t *testing.T) {
	p, w := aHome(t, "{}")
	for _, c := range []Client{claude, codex, gemini, cursor} {
		if changes, err := c.Install(p, Project, w); !errors.Is(err, bridge.Invalid) {
			t.Errorf("%s: %d changes, %v, want invalid", c.Name, len(changes), err)
		}
	}
	install(t, p, w)
	if found, faults := Find(p.Home, p.Home, p.Getenv); len(found) != 1 || found[0].Scope != User || len(faults) > 0 {
		t.Errorf("Find = %+v, %v, want it once", found, faults)
	}
	if changes, err := cursor.Uninstall(p, Project, w, true); len(changes) > 0 || err != nil {
		t.Errorf("uninstall from a project changes %d files, %v", len(changes), err)
	}
	project := t.TempDir()
	if err := os.Symlink(filepath.Join(p.Home, ".cursor"), filepath.Join(project, ".cursor")); err != nil {
		t.Fatal(err)
	}
	p.Dir = project
	if changes, err := cursor.Install(p, Project, w); !errors.Is(err, bridge.Invalid) {
		t.Errorf("through a link: %d changes, %v, want invalid", len(changes), err)
	}
}
