package cli

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// inTime is how long a hook may take here, where other tests take the processors from it. Its own limit is a tenth of a second.
const inTime = 2 * time.Second

// hookRun runs a hook with that stdin, nil for one that stays open and empty, and fails where it is not harmless.
func hookRun(t *testing.T, stdin io.Reader, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"hook"}, args...)...)
	cmd.Args[0] = "agentbridge"
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if stdin != nil {
		if _, err := io.Copy(in, stdin); err != nil {
			t.Errorf("the hook did not read its stdin to the end: %v", err)
		}
		in.Close()
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v, want exit status 0", err)
	}
	if took := time.Since(began); took > inTime {
		t.Errorf("it took %v", took)
	}
	return out.String(), said.String()
}

func TestHook_LetsGoOfAHubThatHangs(t *testing.T) {
	hung, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	t.Setenv(tokenVariable, "abt1_00000000_nothing")
	out, said := hookRun(t, strings.NewReader("{}"), "claude", "Stop", "--data", dataPath(t), "--server", "http://"+hung.Addr().String())
	if out != "" || strings.Count(said, "\n") > 1 {
		t.Errorf("stdout %q, stderr %q", out, said)
	}
}

func TestHook_WaitsForNoTurnOfTheStore(t *testing.T) {
	dir := dataPath(t)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	send(t, alpha, "hello")
	path := filepath.Join(dir, "bridge.db")
	for _, name := range []string{path + ".lock", path + ".next"} { // as a stopped process would
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if !tryLock(f, true) {
			t.Fatal("somebody has the turn")
		}
	}
	out, said := hookRun(t, strings.NewReader("{}"), "claude", "Stop", "--data", dir, "--as", "beta")
	if !strings.HasPrefix(out, `{"decision":"block"`) || said != "" {
		t.Errorf("stdout %q, stderr %q", out, said)
	}
}

func TestHook_TakesAnyStdin(t *testing.T) {
	dir := dataPath(t)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	send(t, alpha, "hello")
	long := strings.Repeat("a long answer of a tool ", 1<<14)
	for name, stdin := range map[string]io.Reader{
		"open and empty": nil,
		"closed":         strings.NewReader(""),
		"broken":         strings.NewReader(`{"session_id":"s` + long),
		"long":           strings.NewReader(`{"tool_response":"` + long + `","session_id":"s2"}`),
		"no JSON":        strings.NewReader(long),
	} {
		t.Run(name, func(t *testing.T) {
			out, said := hookRun(t, stdin, "claude", "session-start", "--data", dir, "--as", "beta")
			if !strings.HasPrefix(out, `{"hookSpecificOutput"`) || said != "" {
				t.Errorf("stdout %q, stderr %q", out, said)
			}
		})
	}
}

func TestHook_ThatCannotRememberKeepsNobodyGoing(t *testing.T) {
	dir := dataPath(t)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	send(t, alpha, "hello")
	if err := os.WriteFile(filepath.Join(dir, hooksDir), nil, 0o600); err != nil { // where a directory is to be
		t.Fatal(err)
	}
	if out, _ := hookRun(t, strings.NewReader(`{"stop_hook_active":false}`), "codex", "Stop", "--data", dir, "--as", "beta"); out == "" {
		t.Error("it is told nothing")
	}
	if out, _ := hookRun(t, strings.NewReader(`{"stop_hook_active":true}`), "codex", "Stop", "--data", dir, "--as", "beta"); out != "" {
		t.Errorf("it is kept going again: %q", out)
	}
	if out, _ := hookRun(t, strings.NewReader(`{}`), "claude", "idle", "--wait", "1500ms", "--data", dir, "--as", "beta"); out != "" {
		t.Errorf("it is woken: %q", out)
	}
}
