//go:build linux

package sandbox_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"agentbridge/internal/sandbox"
	"agentbridge/internal/sandbox/inner"
)

func TestProbe_EveryWallHolds(t *testing.T) {
	report, err := sandbox.Probe(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() || len(report.Checks) < 12 {
		t.Errorf("report %+v, want 12 checks and more that hold", report)
	}
}

// A probe that finds every wall standing is worth something only if it sees a wall that is not there.
func TestTrial_SeesWhatIsOpen(t *testing.T) {
	dir := t.TempDir()
	targets := inner.Targets{
		Secret: filepath.Join(dir, "secret"), Hidden: filepath.Join(dir, "data"), Outside: dir, Variable: "HOME", Workspace: filepath.Join(dir, "workspace"),
		Unix: filepath.Join(dir, "socket"), Abstract: "agentbridge-test-" + filepath.Base(filepath.Dir(dir)), FileBytes: 1000, ReadOnly: true,
	}
	for _, path := range []string{targets.Hidden, filepath.Join(targets.Workspace, ".git", "hooks")} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{targets.Secret, filepath.Join(targets.Hidden, "bridge.db")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	targets.TCP = listen(t, "tcp4", "127.0.0.1:0").Addr().(*net.TCPAddr).Port
	listen(t, "unix", targets.Unix)
	listen(t, "unix", "@"+targets.Abstract)
	text, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/proc/self/exe", inner.Trial, string(text)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var checks []sandbox.Check
	if err := json.Unmarshal(out, &checks); err != nil {
		t.Fatal(err)
	}
	if len(checks) < 12 {
		t.Errorf("%d checks, want 12 and more", len(checks))
	}
	for _, check := range checks {
		if check.Held && check.Name != "no mount" { // which an ordinary user cannot do anyway
			t.Errorf("%q holds where there is no wall", check.Name)
		}
	}
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Without bubblewrap the tier is weaker and says so, and what writes is not run.
func TestNew_WithoutBubblewrapRunsOnlyReaders(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s, err := sandbox.New(sandbox.Options{Workspace: workspace(t)})
	if err != nil {
		t.Fatal(err)
	}
	if s.Tier() != sandbox.Landlock {
		t.Fatalf("the tier is %s, want %s", s.Tier(), sandbox.Landlock)
	}
	if r, err := s.Run(t.Context(), sandbox.Command{Steps: sandbox.Pipe([][]string{{"true"}}...)}); err == nil {
		t.Errorf("a command that may write ran: %+v", r)
	} else {
		wantKind(t, err, sandbox.NoSandbox, "apt install bubblewrap")
	}
	r := run(t, s, sandbox.Command{Steps: sandbox.Pipe([][]string{{"sh", "-c", "echo read; echo x >file || echo cannot write"}}...), ReadOnly: true})
	if got := string(r.Output); r.Exit != 0 || !contains(got, "read\n", "cannot write\n") {
		t.Errorf("exit status %d, output %q", r.Exit, got)
	}
	report, err := sandbox.Probe(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if report.OK() || !report.Held() || report.Tier != sandbox.Landlock || len(report.Checks) < 12 || report.Hint == "" || len(report.Missing) == 0 {
		t.Errorf("report %+v, want one that holds, is not enough and says how to have more", report)
	}
}
