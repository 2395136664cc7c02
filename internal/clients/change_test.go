package clients

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

// aHome is a home with Cursor's settings in it.
func aHome(t *testing.T, servers string) (Place, Install) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".cursor"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, ".cursor", "mcp.json"), servers)
	return Place{Home: home, Dir: home, OS: "linux", Getenv: func(string) string { return "" }}, Install{
		Name: "bridge", Path: "/opt/agentbridge", Args: []string{"mcp"}, Memory: filepath.Join(home, "memory"),
		Hook: func(client string, e Event) string { return "/opt/agentbridge hook " + client + " " + string(e) },
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func install(t *testing.T, p Place, w Install) []*Change {
	t.Helper()
	changes, err := cursor.Install(p, User, w)
	if err != nil {
		t.Fatal(err)
	}
	if err := Apply(changes); err != nil {
		t.Fatal(err)
	}
	return changes
}

func uninstall(t *testing.T, p Place, w Install) {
	t.Helper()
	changes, err := cursor.Uninstall(p, User, w, true)
	if err == nil {
		err = Apply(changes)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A client that writes its settings at the same moment loses nothing.
func TestApply_AFileThatChangedMeanwhileIsLeftAlone(t *testing.T) {
	p, w := aHome(t, "{}")
	changes, err := cursor.Install(p, User, w)
	if err != nil {
		t.Fatal(err)
	}
	write(t, changes[0].Path, `{"new": 1}`)
	if err := Apply(changes); !errors.Is(err, bridge.Conflict) {
		t.Errorf("Apply: %v, want conflict", err)
	}
	if got := read(t, changes[0].Path); got != `{"new": 1}` {
		t.Errorf("the file is %q", got)
	}
}

// Where the second of two files cannot be written, the first is as it was.
func TestApply_MakesAllChangesOrNone(t *testing.T) {
	p, w := aHome(t, "{}")
	changes, err := cursor.Install(p, User, w)
	if err != nil || len(changes) != 2 {
		t.Fatalf("%d changes, %v", len(changes), err)
	}
	write(t, changes[1].Path, "{}") // it was not there a moment ago
	if err := Apply(changes); !errors.Is(err, bridge.Conflict) {
		t.Errorf("Apply: %v, want conflict", err)
	}
	if got := read(t, changes[0].Path); got != "{}" {
		t.Errorf("the first file is %q", got)
	}
	install(t, p, w) // and the next try is a first one
	uninstall(t, p, w)
	if got, other := read(t, changes[0].Path), read(t, changes[1].Path); got != "{}" || other != "{}" {
		t.Errorf("after all, the files are %q and %q", got, other)
	}
}

func TestInstall_AFileKeepsItsModeAndTheBackupIsPrivate(t *testing.T) {
	p, w := aHome(t, "{}")
	for _, ch := range install(t, p, w) {
		want := map[bool]fs.FileMode{true: 0o640, false: 0o600}[ch.there]
		if info, err := os.Stat(ch.Path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %o", ch.Path, info.Mode(), err, want)
		}
		if info, err := os.Stat(ch.Backup); ch.Backup != "" && (err != nil || info.Mode().Perm() != 0o600) {
			t.Errorf("%s: %v, want mode 600", ch.Backup, err)
		}
	}
}

// An edit between two installs is part of what uninstall gives back.
func TestInstall_ASecondOneKeepsWhatOthersDidInBetween(t *testing.T) {
	p, w := aHome(t, "{\n  \"a\": 1\n}\n")
	path := install(t, p, w)[0].Path
	write(t, path, strings.Replace(read(t, path), `"a": 1`, `"a": 2`, 1))
	w.Args = []string{"mcp", "--as", "x"}
	install(t, p, w)
	if got := read(t, path+backupSuffix); got != "{\n  \"a\": 2\n}\n" {
		t.Errorf("the backup is %q", got)
	}
	uninstall(t, p, w)
	if got := read(t, path); got != "{\n  \"a\": 2\n}\n" {
		t.Errorf("the file is %q", got)
	}
}

// Without the backup or what was remembered, ours still comes out and the rest stays.
func TestUninstall_WorksWithoutItsMemory(t *testing.T) {
	for _, lost := range []string{"memory", ".cursor/mcp.json.agentbridge-backup"} {
		p, w := aHome(t, "{\n  \"a\": 1\n}\n")
		path := install(t, p, w)[0].Path
		if err := os.RemoveAll(filepath.Join(p.Home, lost)); err != nil {
			t.Fatal(err)
		}
		uninstall(t, p, w)
		if got := read(t, path); strings.Contains(got, "agentbridge") || !strings.Contains(got, `"a": 1`) {
			t.Errorf("without %s the file is %q", lost, got)
		}
	}
}

func TestUninstall_AFileThatWasTakenAwayIsForgotten(t *testing.T) {
	p, w := aHome(t, "{}")
	path := install(t, p, w)[0].Path
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	uninstall(t, p, w)
	for _, gone := range []string{path, path + backupSuffix, w.Memory} {
		if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", gone, err)
		}
	}
}

func TestChange_ShowsWhatChanges(t *testing.T) {
	p, w := aHome(t, "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3,\n  \"d\": 4\n}\n")
	w.Hook = nil
	changes, err := cursor.Install(p, User, w)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%d changes, %v", len(changes), err)
	}
	want := "--- PATH\n+++ PATH\n@@ -3,4 +3,10 @@\n   \"b\": 2,\n   \"c\": 3,\n-  \"d\": 4\n+  \"d\": 4,\n+  \"mcpServers\": {\n+    \"bridge\": {\n" +
		"+      \"command\": \"/opt/agentbridge\",\n+      \"args\": [\"mcp\"]\n+    }\n+  }\n }\n"
	if got := strings.ReplaceAll(changes[0].Diff(), changes[0].Path, "PATH"); got != want {
		t.Errorf("Diff() =\n%s\nwant\n%s", got, want)
	}
}

// A file on one line is not shown whole: nobody would see the change in it.
func TestChange_ShowsOfALongLineWhatChanges(t *testing.T) {
	p, w := aHome(t, `{"a":"`+strings.Repeat("long ", 1000)+`"}`)
	w.Hook = nil
	changes, err := cursor.Install(p, User, w)
	if err != nil {
		t.Fatal(err)
	}
	want := "--- PATH\n+++ PATH\n@@ -1,1 +1,1 @@\n-……\n+…,\"mcpServers\":{\"bridge\":{\"command\":\"/opt/agentbridge\",\"args\":[\"mcp\"]}}…\n"
	if got := strings.ReplaceAll(changes[0].Diff(), changes[0].Path, "PATH"); got != want {
		t.Errorf("Diff() =\n%s\nwant\n%s", got, want)
	}
}
