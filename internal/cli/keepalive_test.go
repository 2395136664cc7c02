package cli

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kept is a keep-alive in a process of its own.
type kept struct {
	cmd  *exec.Cmd
	said *bufio.Reader
}

func keepAlive(t *testing.T, env []string, args ...string) *kept {
	t.Helper()
	k := &kept{cmd: exec.Command(os.Args[0], append([]string{"keepalive"}, args...)...)}
	k.cmd.Args[0], k.cmd.Env = "agentbridge", append(os.Environ(), env...)
	stderr, err := k.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.cmd.Process.Kill(); k.cmd.Wait() })
	k.said = bufio.NewReader(stderr)
	return k
}

// line is the next one that it says.
func (k *kept) line(t *testing.T) string {
	t.Helper()
	line, err := k.said.ReadString('\n')
	if err != nil {
		t.Fatalf("it says %q and then nothing: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// end waits for it to end by itself, and gives what it said meanwhile.
func (k *kept) end() (said string, status int) {
	rest, _ := io.ReadAll(k.said)
	k.cmd.Wait()
	return string(rest), k.cmd.ProcessState.ExitCode()
}

func TestKeepAlive_RevokedTokenExits3(t *testing.T) {
	dir := dataPath(t)
	url, _ := hub(t, dir)
	token, stderr, status := run(t, "token", "new", "--data", dir, "--name", "beta")
	if status != 0 {
		t.Fatal(stderr)
	}
	elsewhere := dataPath(t)
	for name, k := range map[string]*kept{
		"hub":   keepAlive(t, []string{"AGENTBRIDGE_TOKEN=" + strings.TrimSpace(token)}, "--data", elsewhere, "--server", url),
		"store": keepAlive(t, nil, "--data", dir, "--as", "gamma"),
	} {
		t.Run(name, func(t *testing.T) {
			if line := k.line(t); !strings.HasPrefix(line, "connected to ") {
				t.Fatalf("said %q", line)
			}
			agent := map[string]string{"hub": "beta", "store": "gamma"}[name]
			list, _, _ := run(t, "token", "list", "--data", dir)
			for row := range strings.Lines(list) {
				if fields := strings.Fields(row); len(fields) > 1 && fields[1] == agent {
					run(t, "token", "revoke", "--data", dir, fields[0])
				}
			}
			start := time.Now()
			said, status := k.end()
			if took := time.Since(start); status != 3 || took > 3*time.Second || !strings.Contains(said, "error: ") || !strings.Contains(said, "hint: ") {
				t.Errorf("after its token was revoked: exit status %d after %v, and\n%s\nwant 3 soon, and why", status, took, said)
			}
		})
	}
	if _, err := os.Stat(elsewhere); !os.IsNotExist(err) {
		t.Errorf("the keep-alive of a hub made a data directory: %v", err)
	}
}

func TestKeepAlive_ExpiredTokenExits3WithAHint(t *testing.T) {
	dir := dataPath(t)
	url, _ := hub(t, dir)
	t.Setenv("AGENTBRIDGE_HEARTBEAT", "50ms")
	t.Setenv("AGENTBRIDGE_SILENT_AFTER", "100ms")
	t.Setenv("AGENTBRIDGE_TOKEN_TTL", "150ms")
	token, stderr, status := run(t, "token", "new", "--data", dir, "--name", "beta")
	if status != 0 {
		t.Fatal(stderr)
	}
	for list := ""; !strings.Contains(list, "expired"); {
		list, _, _ = run(t, "token", "list", "--data", dir)
	}
	said, status := keepAlive(t, []string{"AGENTBRIDGE_TOKEN=" + strings.TrimSpace(token)}, "--data", dataPath(t), "--server", url).end()
	if status != 3 || !strings.Contains(said, "expired") || !strings.Contains(said, "hint: renew") {
		t.Errorf("exit status %d and\n%s", status, said)
	}
}

// The token of an agent lies where those of local agents lie; it is the only file that a keep-alive of a hub needs.
func TestKeepAlive_TakesTheTokenFromItsFile(t *testing.T) {
	dir, elsewhere := dataPath(t), dataPath(t)
	url, _ := hub(t, dir)
	token, stderr, status := run(t, "token", "new", "--data", dir, "--name", "beta")
	if status != 0 {
		t.Fatal(stderr)
	}
	agents := filepath.Join(elsewhere, agentsDir)
	if err := os.MkdirAll(agents, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"beta", "gamma"} { // it may have another name here
		if err := os.WriteFile(filepath.Join(agents, name+tokenSuffix), []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		line := keepAlive(t, nil, "--data", elsewhere, "--as", name, "--server", url).line(t)
		if !strings.HasPrefix(line, "connected to http://127.0.0.1:") || !strings.HasSuffix(line, " as beta, 0 unread") {
			t.Errorf("as %s it says %q", name, line)
		}
	}
	given := []string{tokenVariable + "=" + strings.TrimSpace(token)} // and who gives both may have mixed them up
	if line := keepAlive(t, given, "--data", elsewhere, "--as", "gamma", "--server", url).line(t); line != "error: the token is that of beta, and not of gamma" {
		t.Errorf("as gamma, with beta's token in the environment, it says %q", line)
	}
	if files, err := os.ReadDir(elsewhere); err != nil || len(files) != 1 {
		t.Errorf("the data directory holds %v, %v, want nothing but the token", files, err)
	}
}

func TestStatusLine_OnATerminalIsOneElsewhereOneForEachPieceOfNews(t *testing.T) {
	for _, test := range []struct {
		terminal bool
		want     string
	}{
		{true, "\r\x1b[Kaway, again in 1s\r\x1b[Kaway, again in 2s\r\x1b[Kconnected\n"},
		{false, "away, again in 1s\nconnected\n"},
	} {
		var stderr strings.Builder
		line := statusLine{p: &program{out: bufio.NewWriter(io.Discard), stderr: &stderr}, terminal: test.terminal}
		line.show("away, again in 1s", true)
		line.show("away, again in 2s", false)
		line.show("connected", true)
		line.end()
		if got := stderr.String(); got != test.want {
			t.Errorf("terminal %v: %q, want %q", test.terminal, got, test.want)
		}
	}
}
