//go:build linux

package sandbox_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is the ordinary user that the tests run as when root starts them: root's commands could do more than a wall shows.
const nobody = 65534

func TestMain(m *testing.M) {
	if os.Getenv("ESCAPE") == "1" {
		attackFrom()
		os.Exit(0)
	}
	if os.Getenv("RUNNER") != "" {
		runner()
		os.Exit(0)
	}
	if os.Getuid() != 0 {
		os.Exit(m.Run())
	}
	code, err := asNobody()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// asNobody runs these tests once more as an ordinary user, who can read neither the directory they were built in nor write where go
// test wants its notes.
func asNobody() (int, error) {
	dir, err := os.MkdirTemp("", "sandbox-test-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return 0, err
	}
	if err := os.Chown(home, nobody, nobody); err != nil {
		return 0, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	program := filepath.Join(dir, "sandbox.test")
	if err := copyFile(program, "/proc/self/exe"); err != nil {
		return 0, err
	}
	var args []string
	for _, arg := range os.Args[1:] {
		if !strings.HasPrefix(arg, "-test.testlogfile") && !strings.HasPrefix(arg, "-test.gocoverdir") && !strings.HasPrefix(arg, "-test.coverprofile") {
			args = append(args, arg)
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}
