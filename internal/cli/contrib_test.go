package cli

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"agentbridge/internal/clients"
)

// The files for service managers start commands that there are, with flags that they have.
func TestContrib_StartsWhatThereIs(t *testing.T) {
	dir := filepath.Join("..", "..", "contrib")
	units, _ := filepath.Glob(filepath.Join(dir, "systemd", "*.service"))
	plists, _ := filepath.Glob(filepath.Join(dir, "launchd", "*.plist"))
	var started []string
	for _, file := range append(units, plists...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := execStart(string(text))
		if filepath.Ext(file) == ".plist" {
			line = shellLine(t, string(text))
		}
		_, args, ok := strings.Cut(line, `local/bin/agentbridge`)
		args, _, _ = strings.Cut(strings.TrimPrefix(args, `"`), " 2>>")
		p := &program{stdin: strings.NewReader(""), out: bufio.NewWriter(t.Output()), stdout: t.Output(), stderr: t.Output()}
		cmd, rest, err := p.root().Find(strings.Fields(args))
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err != nil || !ok || !cmd.Runnable() || cmd == cmd.Root() {
			t.Errorf("%s starts %q: %v", filepath.Base(file), line, err)
		}
		started = append(started, cmd.Name())
	}
	slices.Sort(started)
	if want := []string{"keepalive", "keepalive", "serve", "serve", "serve", "watchdog", "watchdog"}; !slices.Equal(started, want) {
		t.Errorf("they start %v, want %v", started, want)
	}
}

// The hooks of the plugin and of the extension are commands that there are, for events that their clients have. Only one that waits in the
// background may wake the model, and its client lets it wait as long as it wants to.
func TestContrib_HooksAreThoseOfTheClients(t *testing.T) {
	tests := []struct{ file, client, want string }{
		{"claude-plugin", "claude", "PostToolUse: tool; SessionStart: session-start, idle; Stop: turn-end, idle; UserPromptSubmit: prompt"},
		{"gemini-extension", "gemini", "AfterAgent: turn-end; AfterTool: tool; BeforeAgent: prompt; SessionStart: session-start"},
	}
	for _, test := range tests {
		text, err := os.ReadFile(filepath.Join("..", "..", "contrib", test.file, "hooks", "hooks.json"))
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Hooks map[string][]struct {
				Hooks []struct {
					Type, Command string
					Timeout       int
					AsyncRewake   bool
				}
			}
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		var got []string
		for name, groups := range file.Hooks {
			var events []string
			for _, group := range groups {
				for _, h := range group.Hooks {
					args, ours := strings.CutPrefix(h.Command, "agentbridge ")
					p := &program{stdin: strings.NewReader(""), out: bufio.NewWriter(t.Output()), stdout: t.Output(), stderr: t.Output()}
					cmd, rest, err := p.root().Find(strings.Fields(args))
					if err == nil {
						err = cmd.ParseFlags(rest)
					}
					if err != nil || !ours || h.Type != "command" || cmd.Name() != "hook" || cmd.Flags().NArg() != 2 {
						t.Fatalf("%s runs %q: %v", test.file, h.Command, err)
					}
					hook, err := clients.ParseHook(cmd.Flags().Arg(0), cmd.Flags().Arg(1))
					if own, err := clients.ParseHook(test.client, name); err != nil || hook.Client != test.client || hook.Event != own.Event && hook.Event != clients.Idle {
						t.Errorf("%s: %q at %s: %v", test.file, h.Command, name, err)
					}
					if wait := cmd.Flag("wait").Value.String(); h.AsyncRewake != (hook.Event == clients.Idle) || h.AsyncRewake && (wait != "12h" || h.Timeout < 12*60*60) || h.Timeout <= 0 || err != nil {
						t.Errorf("%s, %s: %+v: %v", test.file, name, h, err)
					}
					events = append(events, string(hook.Event))
				}
			}
			got = append(got, name+": "+strings.Join(events, ", "))
		}
		slices.Sort(got)
		if got := strings.Join(got, "; "); got != test.want {
			t.Errorf("%s has %s, want %s", test.file, got, test.want)
		}
	}
}

// execStart is what a unit starts.
func execStart(unit string) string {
	for line := range strings.Lines(unit) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			return command
		}
	}
	return ""
}

// shellLine is what a launch agent gives to its shell. It also checks that the file is XML.
func shellLine(t *testing.T, plist string) string {
	t.Helper()
	var list struct {
		Arguments []string `xml:"dict>array>string"`
	}
	if err := xml.Unmarshal([]byte(plist), &list); err != nil || len(list.Arguments) != 3 {
		t.Fatalf("%q: %v", list.Arguments, err)
	}
	return list.Arguments[2]
}

func TestContrib_UnitsAreAcceptedBySystemd(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze on this machine: nothing was verified")
		return
	}
	home := t.TempDir()
	bin := filepath.Join(home, ".local", "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.Args[0], filepath.Join(bin, "agentbridge")); err != nil {
		t.Fatal(err)
	}
	units, _ := filepath.Glob(filepath.Join("..", "..", "contrib", "systemd", "*.service"))
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Replace(filepath.Base(unit), "@", "@beta", 1)
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte(strings.NewReplacer("%h", home, "/usr/local/bin", bin).Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(verify, "verify", "--user", "--man=no", path)
		cmd.Env = append(os.Environ(), "HOME="+home, "XDG_RUNTIME_DIR="+home)
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
