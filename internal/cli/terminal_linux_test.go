package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: our end, and the one for a process.
func terminal() (ours, theirs *os.File, err error) {
	ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	return ours, theirs, err
}

// typed CODE COMMAND… runs a command on a terminal of its own, as a person would.
func typed(ts *testscript.TestScript, neg bool, args []string) {
	atTerminalOf(ts, args, func([]byte) string { return "" })
}

// pasted FILE CODE COMMAND… runs a command on a terminal of its own and pastes a file into it once it asks. What is shown is left in the
// file "shown".
func pasted(ts *testscript.TestScript, neg bool, args []string) {
	text, asked := ts.ReadFile(args[0]), false
	shown := atTerminalOf(ts, args[1:], func(shown []byte) string {
		if asked || !bytes.HasSuffix(shown, []byte(": ")) {
			return ""
		}
		asked = true
		return strings.ReplaceAll(text, "\n", "\r") + "\r"
	})
	ts.Check(os.WriteFile(ts.MkAbs("shown"), shown, 0o600))
}

// answered FILE CODE COMMAND… runs a command on a terminal of its own and answers what it asks: each line of the file is the end of a prompt,
// "=>" and the answer, in their order; \r in it is the return key, before the last. The answer HANGUP closes the terminal, TERMINATE sends SIGTERM, CODE is the code of six digits that was shown last. What is shown is left in the file
// "shown"; a line that was not asked for is a failure.
func answered(ts *testscript.TestScript, neg bool, args []string) {
	var prompts, answers []string
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if prompt, answer, ok := strings.Cut(strings.TrimRight(line, "\n"), "=>"); ok {
			prompts, answers = append(prompts, strings.TrimSpace(prompt)), append(answers, strings.TrimSpace(answer))
		}
	}
	next, from := 0, 0
	shown := atTerminalOf(ts, args[1:], func(shown []byte) string {
		if next == len(prompts) || !strings.HasSuffix(strings.TrimSpace(string(shown[from:])), prompts[next]) {
			return ""
		}
		answer := answers[next]
		if codes := sixDigits.FindAllString(string(shown), -1); answer == "CODE" && len(codes) > 0 {
			answer = codes[len(codes)-1]
		}
		next, from = next+1, len(shown)
		return strings.ReplaceAll(answer, `\r`, "\r") + "\r"
	})
	ts.Check(os.WriteFile(ts.MkAbs("shown"), shown, 0o600))
	if next < len(prompts) {
		ts.Fatalf("it did not ask %q", prompts[next])
	}
}

const (
	hangUp    = "HANGUP"
	terminate = "TERMINATE"
)

var sixDigits = regexp.MustCompile(`\b[0-9]{6}\b`)

// atTerminalOf runs a command on a terminal and types what answer gives for what is shown so far.
func atTerminalOf(ts *testscript.TestScript, args []string, answer func(shown []byte) string) []byte {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ours, theirs, err := terminal()
	ts.Check(err)
	defer ours.Close()
	cmd := command(ts, args[1:])
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	ts.Check(cmd.Start())
	var shown []byte
	read := make(chan struct{})
	go func() {
		defer close(read)
		for chunk := make([]byte, 4096); ; {
			n, err := ours.Read(chunk)
			if err != nil {
				return // the other end is closed everywhere
			}
			shown = append(shown, chunk[:n]...)
			keys := answer(shown)
			if keys == terminate+"\r" {
				cmd.Process.Signal(syscall.SIGTERM)
				continue
			}
			if keys == hangUp+"\r" {
				ours.Close()
				shown = append(shown, "error: and hint: were told nobody"...)
				return
			}
			if keys != "" {
				io.WriteString(ours, keys)
			}
		}
	}()
	err = cmd.Wait()
	theirs.Close()
	<-read
	ts.Logf("%s", shown)
	wantStatus(ts, want, err, string(shown))
	return shown
}

func TestStyle_IsPlainWhereNobodyLooks(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	ours, theirs, err := terminal()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	for _, tt := range []struct {
		name    string
		to      io.Writer
		noColor string
		want    string
	}{
		{"terminal", theirs, "", "\x1b[1mhead\x1b[0m"},
		{"terminal with NO_COLOR", theirs, "1", "head"},
		{"pipe", &bytes.Buffer{}, "", "head"},
	} {
		t.Setenv("NO_COLOR", tt.noColor)
		if got := (&program{stdout: tt.to}).style(bold, "head"); got != tt.want {
			t.Errorf("%s: style = %q, want %q", tt.name, got, tt.want)
		}
	}
}
