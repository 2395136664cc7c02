//go:build linux

package sandbox_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentbridge/internal/sandbox"
)

func workspace(t testing.TB) string {
	t.Helper()
	return t.TempDir()
}

func open(t testing.TB, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	if o.Workspace == "" {
		o.Workspace = workspace(t)
	}
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Tier() != sandbox.Bubblewrap {
		t.Fatalf("the tier is %s: these tests need bubblewrap (%s)", s.Tier(), sandbox.Install)
	}
	return s
}

func run(t testing.TB, s *sandbox.Sandbox, cmd sandbox.Command) sandbox.Result {
	t.Helper()
	r, err := s.Run(t.Context(), cmd)
	if err != nil {
		t.Fatalf("Run(%v) = %v", cmd.Steps, err)
	}
	return r
}

func sh(script string) sandbox.Command {
	return sandbox.Command{Steps: sandbox.Pipe([][]string{{"sh", "-c", script}}...)}
}

// repository is a workspace with a commit in it.
func repository(t testing.TB) string {
	t.Helper()
	dir := workspace(t)
	git(t, dir, "init", "-q", "-b", "main")
	git(t, dir, "config", "user.name", "Ada")
	git(t, dir, "config", "user.email", "ada@example.com")
	write(t, filepath.Join(dir, "file"), "one\n")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "first")
	return dir
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func contains(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}

// wantKind checks that an error is of that kind and that its hint says so much.
func wantKind(t *testing.T, err error, kind sandbox.Kind, hint string) {
	t.Helper()
	e, ok := errors.AsType[*sandbox.Error](err)
	if !ok || !errors.Is(err, kind) || !strings.Contains(e.Hint, hint) {
		t.Errorf("error %v, want one of kind %q with a hint to %q", err, kind, hint)
	}
}

func TestRun_ResultIsWhatAShellWouldSay(t *testing.T) {
	s := open(t, sandbox.Options{})
	write(t, filepath.Join(s.Workspace(), "plain"), "not a program")
	for _, test := range []struct {
		stages [][]string
		exit   int
		output string
	}{
		{[][]string{{"echo", "a b", "$HOME", "*", "'"}}, 0, "a b $HOME * '\n"},
		{[][]string{{"sh", "-c", "exit 3"}}, 3, ""},
		{[][]string{{"sh", "-c", "kill -9 $$"}}, 137, ""},
		{[][]string{{"no-such-program"}}, 127, "start no-such-program: no such file or directory\n"},
		{[][]string{{"./plain"}}, 126, "start ./plain: permission denied\n"},
		{[][]string{{"yes"}, {"head", "-n", "2"}, {"tr", "y", "n"}}, 0, "n\nn\n"},
		{[][]string{{"false"}, {"true"}}, 0, ""},
		{[][]string{{"true"}, {"sh", "-c", "exit 5"}}, 5, ""},
		{[][]string{{"true"}, {"sh", "-c", "kill -15 $$"}}, 143, ""},
		{[][]string{{"echo", "x"}, {"no-such-program"}}, 127, "start no-such-program: no such file or directory\n"},
		{[][]string{{"sh", "-c", "echo out; echo err >&2"}, {"sh", "-c", "read x; read y; echo got $x"}}, 0, "err\ngot out\n"},
		{[][]string{{"cat"}}, 0, ""},
		{[][]string{sandbox.Shell("echo $((1+1)) | cat")}, 0, "2\n"},
	} {
		r := run(t, s, sandbox.Command{Steps: sandbox.Pipe(test.stages...)})
		if r.Ending != sandbox.Exited || r.Exit != test.exit || string(r.Output) != test.output {
			t.Errorf("%q: %s, exit status %d, output %q; want %d and %q", test.stages, r.Ending, r.Exit, r.Output, test.exit, test.output)
		}
	}
}

// Each runs in bash, too, and must come out the same.
func TestRun_StepsAreWhatAShellDoes(t *testing.T) {
	one := func(when sandbox.When, argv ...string) sandbox.Step {
		return sandbox.Step{When: when, Stages: []sandbox.Stage{{Argv: argv}}}
	}
	with := func(stage sandbox.Stage, script string) sandbox.Step {
		stage.Argv = []string{"sh", "-c", script}
		return sandbox.Step{Stages: []sandbox.Stage{stage}}
	}
	to := func(fd int, op, path string, from int) []sandbox.Redirect {
		return []sandbox.Redirect{{FD: fd, Op: op, Path: path, From: from}}
	}
	for _, test := range []struct {
		steps  []sandbox.Step
		script string
	}{
		{[]sandbox.Step{one("", "false"), one(sandbox.IfOK, "echo", "a"), one(sandbox.IfFailed, "echo", "b"), one("", "echo", "c")}, "false && echo a || echo b; echo c"},
		{[]sandbox.Step{one("", "true"), one(sandbox.IfFailed, "echo", "a"), one(sandbox.IfOK, "false")}, "true || echo a && false"},
		{[]sandbox.Step{one("", "no-such"), one(sandbox.IfFailed, "echo", "b")}, "no-such 2>/dev/null || echo b"},
		{[]sandbox.Step{with(sandbox.Stage{Dir: "sub"}, "pwd"), with(sandbox.Stage{Env: []string{"A=1", "A=2"}}, "echo $A"), with(sandbox.Stage{}, "echo $A$PWD")}, "(cd sub; pwd); A=1 A=2 sh -c 'echo $A'; echo $A$PWD"},
		{[]sandbox.Step{with(sandbox.Stage{Redirects: to(1, ">", "f", 0)}, "echo one"), with(sandbox.Stage{Redirects: to(1, ">>", "f", 0)}, "echo two"), with(sandbox.Stage{Redirects: to(0, "<", "f", 0)}, "cat")}, "echo one >f; echo two >>f; cat <f"},
		{[]sandbox.Step{with(sandbox.Stage{Dir: "sub", Redirects: to(1, ">", "g", 0)}, "echo x"), one("", "cat", "sub/g")}, "(cd sub; echo x >g); cat sub/g"},
		{[]sandbox.Step{with(sandbox.Stage{Redirects: append(to(1, ">", "h", 0), to(2, ">&", "", 1)...)}, "echo o; echo e >&2"), one("", "cat", "h")}, "(echo o; echo e >&2) >h 2>&1; cat h"},
		{[]sandbox.Step{with(sandbox.Stage{Redirects: to(2, ">", "/dev/null", 0)}, "echo e >&2; echo o"), with(sandbox.Stage{Redirects: to(3, ">&", "", 1)}, "echo three >&3")}, "(echo e >&2; echo o) 2>/dev/null; echo three 3>&1 >&3"},
		{[]sandbox.Step{with(sandbox.Stage{Redirects: to(0, "<", "missing", 0)}, "echo no"), one(sandbox.IfFailed, "echo", "failed")}, "{ echo no <missing; } 2>/dev/null || echo failed"},
	} {
		dir := workspace(t)
		if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		r := run(t, open(t, sandbox.Options{Workspace: dir}), sandbox.Command{Steps: test.steps})
		bash := exec.Command("bash", "-c", test.script)
		bash.Dir = dir
		want, _ := bash.Output()
		got := strings.NewReplacer("start no-such: no such file or directory\n", "", "open "+dir+"/missing: no such file or directory\n", "").Replace(string(r.Output))
		if got != string(want) || r.Exit != bash.ProcessState.ExitCode() {
			t.Errorf("%s: exit status %d, output %q; bash says %d, %q", test.script, r.Exit, got, bash.ProcessState.ExitCode(), want)
		}
	}
}

// A redirect is no way to write where the command could not.
func TestRun_RedirectsStayWithinTheWalls(t *testing.T) {
	dir := repository(t)
	s := open(t, sandbox.Options{Workspace: dir})
	for _, path := range []string{filepath.Join(t.TempDir(), "file"), "/etc/made-by-a-test", "../file", ".git/hooks/pre-commit", ".mcp.json"} {
		r := run(t, s, sandbox.Command{Steps: []sandbox.Step{{Stages: []sandbox.Stage{{Argv: []string{"echo", "evil"}, Redirects: []sandbox.Redirect{{FD: 1, Op: ">", Path: path}}}}}}})
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was made: exit status %d, output %q", path, r.Exit, r.Output)
		}
	}
}

func TestRun_RefusesCommandsThatMakeNoSense(t *testing.T) {
	s := open(t, sandbox.Options{})
	for _, cmd := range []sandbox.Command{
		{},
		{Steps: sandbox.Pipe([][]string{{}}...)},
		{Steps: sandbox.Pipe([][]string{{""}}...)},
		{Steps: sandbox.Pipe([][]string{{"true"}, nil}...)},
		{Steps: sandbox.Pipe([][]string{{"echo", "a\x00b"}}...)},
		{Steps: []sandbox.Step{{Stages: []sandbox.Stage{{Argv: []string{"true"}, Dir: ".."}}}}},
		{Steps: []sandbox.Step{{Stages: []sandbox.Stage{{Argv: []string{"true"}, Env: []string{"A"}}}}}},
		{Steps: []sandbox.Step{{Stages: []sandbox.Stage{{Argv: []string{"true"}, Redirects: []sandbox.Redirect{{FD: 10, Op: ">", Path: "x"}}}}}}},
		{Steps: []sandbox.Step{{Stages: []sandbox.Stage{{Argv: []string{"true"}, Redirects: []sandbox.Redirect{{FD: 1, Op: "<>", Path: "x"}}}}}}},
		{Steps: []sandbox.Step{{Stages: []sandbox.Stage{{Argv: []string{"true"}, Redirects: []sandbox.Redirect{{FD: 1, Op: ">"}}}}}}},
		{Steps: sandbox.Pipe([][]string{{"true"}}...), Dir: ".."},
		{Steps: sandbox.Pipe([][]string{{"true"}}...), Dir: "/etc"},
		{Steps: sandbox.Pipe([][]string{{"true"}}...), Env: []string{"NAME"}},
		{Steps: sandbox.Pipe([][]string{{"true"}}...), Env: []string{"=x"}},
		{Steps: sandbox.Pipe([][]string{{"true"}}...), Time: -1},
	} {
		_, err := s.Run(t.Context(), cmd)
		wantKind(t, err, sandbox.BadCommand, "")
	}
}

func TestNew_RefusesWorkspacesThatCannotBeSafe(t *testing.T) {
	home, data := t.TempDir(), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	real := t.TempDir()
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(real, "file"), "")
	for _, test := range []struct{ dir, hint string }{
		{"", "absolute"},
		{"relative", "absolute"},
		{real + "/../x", "absolute"},
		{"/", "own"},
		{"/home", "own"},
		{"/tmp", "own"},
		{"/etc/ssl", "own"},
		{"/usr/share", "own"},
		{"/proc/self", "own"},
		{home, "own"},
		{filepath.Dir(home), "own"},
		{link, real},
		{filepath.Join(real, "missing"), "exists"},
		{filepath.Join(real, "file"), "directory"},
		{data, "elsewhere"},
		{filepath.Join(data, "inside"), "elsewhere"},
	} {
		os.Mkdir(filepath.Join(data, "inside"), 0o700)
		_, err := sandbox.New(sandbox.Options{Workspace: test.dir, Home: home, Hidden: []string{data}})
		if err == nil {
			t.Errorf("New(%q) works", test.dir)
			continue
		}
		if !errors.Is(err, sandbox.BadWorkspace) {
			t.Errorf("New(%q) = %v", test.dir, err)
		}
	}
}

// A cache is kept from command to command, and is no way around a wall.
func TestRun_CacheIsKeptAndApart(t *testing.T) {
	cache, data := t.TempDir(), t.TempDir()
	o := sandbox.Options{Workspace: workspace(t), Cache: cache}
	s := open(t, o)
	run(t, s, sh("echo kept >~/.cache/file; echo gone >~/file"))
	if r := run(t, open(t, o), sh("cat ~/.cache/file; cat ~/file 2>/dev/null; exit 0")); string(r.Output) != "kept\n" {
		t.Errorf("the next command finds %q", r.Output)
	}
	for _, o := range []sandbox.Options{
		{Workspace: o.Workspace, Cache: o.Workspace},
		{Workspace: o.Workspace, Cache: filepath.Join(o.Workspace, "cache")},
		{Workspace: o.Workspace, Cache: filepath.Dir(o.Workspace)},
		{Workspace: o.Workspace, Cache: data, Hidden: []string{filepath.Join(data, "inside")}},
	} {
		_, err := sandbox.New(o)
		wantKind(t, err, sandbox.BadWorkspace, "of its own")
	}
}

// What was fit at first may not be when the command comes.
func TestRun_RefusesAWorkspaceThatBecameAnother(t *testing.T) {
	dir := filepath.Join(workspace(t), "work")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, sandbox.Options{Workspace: dir})
	if err := os.Rename(dir, dir+"-2"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Run(t.Context(), sh("true"))
	wantKind(t, err, sandbox.BadWorkspace, "exists")
	if err := os.Symlink(dir+"-2", dir); err != nil {
		t.Fatal(err)
	}
	_, err = s.Run(t.Context(), sh("true"))
	wantKind(t, err, sandbox.BadWorkspace, dir+"-2")
}

func TestRun_RefusesWhatCannotBeProtected(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"hooks elsewhere":      func(dir string) error { return replace(dir, ".git/hooks", "../hooks") },
		"config elsewhere":     func(dir string) error { return replace(dir, ".git/config", "../config") },
		"repository elsewhere": func(dir string) error { return replace(dir, ".git", "elsewhere") },
		"settings elsewhere":   func(dir string) error { return os.Symlink("settings", filepath.Join(dir, ".claude")) },
		"a second name":        func(dir string) error { return os.Link(filepath.Join(dir, ".git/config"), filepath.Join(dir, "other")) },
		"a second name of hook": func(dir string) error {
			return os.Link(filepath.Join(dir, "file"), filepath.Join(dir, ".git/hooks/pre-commit"))
		},
		"no config": func(dir string) error { return os.Remove(filepath.Join(dir, ".git/config")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := repository(t)
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			s := open(t, sandbox.Options{Workspace: dir})
			_, err := s.Run(t.Context(), sh("touch ran"))
			wantKind(t, err, sandbox.BadWorkspace, "")
			if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
				t.Error("the command ran")
			}
			// To read is safe all the same.
			cmd := sh("cat file")
			cmd.ReadOnly = true
			if r := run(t, s, cmd); string(r.Output) != "one\n" {
				t.Errorf("a command that only reads says %q", r.Output)
			}
		})
	}
}

// replace moves a file away and puts a symbolic link to it in its place.
func replace(dir, name, to string) error {
	path := filepath.Join(dir, name)
	if err := os.Rename(path, filepath.Join(filepath.Dir(path), to)); err != nil {
		return err
	}
	return os.Symlink(to, path)
}

func TestRun_GitWorks(t *testing.T) {
	dir := repository(t)
	s := open(t, sandbox.Options{Workspace: dir})
	r := run(t, s, sh(`set -e; echo two >>file; echo x >new; git add -A; git status --short; git commit -qm second; git checkout -qb topic; git stash list; git gc -q; git log --oneline | wc -l`))
	if r.Exit != 0 || string(r.Output) != "M  file\nA  new\n2\n" {
		t.Errorf("exit status %d, output %q", r.Exit, r.Output)
	}
	if got := git(t, dir, "log", "--format=%s", "topic"); got != "second\nfirst" {
		t.Errorf("the log is %q", got)
	}
	if got := git(t, dir, "status", "--short", "--ignored"); got != "" {
		t.Errorf("the status is %q", got)
	}
	for path := range listing(t, dir) {
		if !strings.HasPrefix(path, ".git/") && !slices.Contains([]string{".", ".git", "file", "new"}, path) || path == ".git/commondir" {
			t.Errorf("%s is left", path)
		}
	}
}

// What git's settings name is looked up anew once they change, wherever they are.
func TestRun_SettingsThatChangeAreHeeded(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	dir := repository(t)
	write(t, filepath.Join(dir, "one", "pre-commit"), "original\n")
	write(t, filepath.Join(dir, "two", "pre-commit"), "original\n")
	s := open(t, sandbox.Options{Workspace: dir, Home: home})
	try := func(want string) {
		t.Helper()
		if r := run(t, s, sh("for d in one two; do (echo x >>$d/pre-commit) 2>/dev/null && echo $d; done; echo")); string(r.Output) != want+"\n" {
			t.Errorf("written are %q, want %q", r.Output, want)
		}
	}
	try("one\ntwo\n")
	git(t, dir, "config", "core.hooksPath", "one")
	try("two\n")
	git(t, dir, "config", "--unset", "core.hooksPath")
	try("one\ntwo\n")
	git(t, dir, "config", "--global", "core.hooksPath", "two")
	try("one\n")
}

func TestRun_GitWorksInALinkedWorktree(t *testing.T) {
	main := repository(t)
	dir := filepath.Join(workspace(t), "linked")
	git(t, main, "worktree", "add", "-q", "-b", "topic", dir)
	s := open(t, sandbox.Options{Workspace: dir})
	r := run(t, s, sh(`set -e; echo two >>file; git commit -qam second; ! echo evil >>`+main+`/.git/config; ! echo evil >`+main+`/.git/hooks/pre-commit; ! echo evil >`+main+`/file; ! echo ../evil >.git`))
	if got := git(t, main, "log", "--format=%s", "topic"); r.Exit != 0 || got != "second\nfirst" {
		t.Errorf("exit status %d, output %q, the log is %q", r.Exit, r.Output, got)
	}
	if _, err := os.Lstat(filepath.Join(main, ".git", "commondir")); err == nil {
		t.Error(".git/commondir is left")
	}
	// A file .git that names somebody else's repository opens nothing.
	other := repository(t)
	write(t, filepath.Join(dir, ".git"), "gitdir: "+filepath.Join(other, ".git")+"\n")
	r = run(t, s, sh("echo evil >"+other+"/.git/evil || echo refused"))
	if !contains(string(r.Output), "refused") || !contains(strings.Join(r.Notes, "\n"), "git cannot write here") {
		t.Errorf("output %q, notes %q", r.Output, r.Notes)
	}
}

func TestRun_ReadOnlyMeansReadOnly(t *testing.T) {
	dir := repository(t)
	s := open(t, sandbox.Options{Workspace: dir})
	before := listing(t, dir)
	cmd := sh("git log --format=%s; git status --short; echo x >file; rm file; mkdir d; chmod 777 .; touch file; echo x >/tmp/x && cat /tmp/x")
	cmd.ReadOnly = true
	r := run(t, s, cmd)
	if !contains(string(r.Output), "first\n", "x\n", "Read-only file system") {
		t.Errorf("output %q", r.Output)
	}
	for path, text := range listing(t, dir) {
		if before[path] != text && path != ".git/index" {
			t.Errorf("%s changed", path)
		}
	}
}

func TestRun_EnvironmentIsAllowed(t *testing.T) {
	t.Setenv("SECRET_TOKEN", "hunter2")
	t.Setenv("SSH_AUTH_SOCK", "/tmp/agent")
	cmd := sh("env; cat /proc/*/environ /proc/1/cmdline | tr '\\0' '\\n'")
	cmd.Env = []string{"MINE=first", "MINE=yes", "CI=0"}
	r := run(t, open(t, sandbox.Options{}), cmd)
	got := string(r.Output)
	if !contains(got, "MINE=yes\n", "CI=0\n", "PATH=") || strings.Contains(got, "hunter2") || strings.Contains(got, "SSH_AUTH_SOCK") || strings.Contains(got, "MINE=first") {
		t.Errorf("the environment is\n%s", got)
	}
}

func TestRun_HiddenMeansHidden(t *testing.T) {
	dir := workspace(t)
	outside := t.TempDir()
	write(t, filepath.Join(dir, "data", "bridge.db"), "secret")
	write(t, filepath.Join(outside, "data", "bridge.db"), "secret")
	write(t, filepath.Join(outside, "tool"), "a tool")
	s := open(t, sandbox.Options{Workspace: dir, ReadOnly: []string{outside}, Hidden: []string{filepath.Join(dir, "data"), filepath.Join(outside, "data")}})
	for _, readOnly := range []bool{true, false} {
		cmd := sh("cat data/* " + outside + "/data/*; ls -A data " + outside + "/data; cat " + outside + "/tool; cd .; mv data data2; cat data2/*; echo x >data/x")
		cmd.ReadOnly = readOnly
		r := run(t, s, cmd)
		if strings.Contains(string(r.Output), "secret") || !strings.Contains(string(r.Output), "a tool") {
			t.Errorf("output %q, want the tool and nothing of the data", r.Output)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "data", "bridge.db")); err != nil || string(text) != "secret" {
		t.Errorf("the data is %q (%v)", text, err)
	}
}

func TestRun_NetworkOnlyWhenAsked(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("hello\n"))
			c.Close()
		}
	}()
	s := open(t, sandbox.Options{})
	cmd := sandbox.Command{Steps: sandbox.Pipe([][]string{{"bash", "-c", fmt.Sprintf("cat </dev/tcp/127.0.0.1/%d", l.Addr().(*net.TCPAddr).Port)}}...)}
	if r := run(t, s, cmd); r.Exit == 0 || strings.Contains(string(r.Output), "hello") {
		t.Errorf("without the network: exit status %d, output %q", r.Exit, r.Output)
	}
	cmd.Network = true
	if r := run(t, s, cmd); r.Exit != 0 || string(r.Output) != "hello\n" {
		t.Errorf("with the network: exit status %d, output %q", r.Exit, r.Output)
	}
}

// A command that ends takes its placeholders along. Those that another command in the same workspace stands on must stay.
func TestRun_SideBySideKeepsTheProtection(t *testing.T) {
	dir := repository(t)
	s := open(t, sandbox.Options{Workspace: dir})
	for _, name := range []string{"started", "go-on"} {
		if err := unix.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := make(chan sandbox.Result, 1)
	go func() {
		r, err := s.Run(t.Context(), sh("echo >started; read x <go-on; mkdir -p .claude/x; echo evil >.mcp.json; echo ../evil >.git/commondir"))
		if err != nil {
			t.Error(err)
		}
		long <- r
	}()
	if _, err := os.ReadFile(filepath.Join(dir, "started")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		run(t, s, sh("true"))
	}
	if err := os.WriteFile(filepath.Join(dir, "go-on"), []byte("now\n"), 0); err != nil {
		t.Fatal(err)
	}
	r := <-long
	for path := range listing(t, dir) {
		if protected(path) && !strings.HasPrefix(path, ".git/config") && !strings.HasPrefix(path, ".git/hooks") {
			t.Errorf("%s is new", path)
		}
	}
	if r.Exit == 0 {
		t.Errorf("output %q, want refusals", r.Output)
	}
}
