//go:build linux

package sandbox_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"agentbridge/internal/sandbox"
)

// attack is one way out, tried by this same program inside the sandbox. It gives nil where the way is open.
type attack struct {
	name string
	try  func() error
	want error // what the sandbox answers
	open bool  // without a sandbox it works for an ordinary user, on the kernels we know
}

func call(nr uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

func socketOf(family int) func() error {
	return func() error {
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

func chmodSetID(path string, mode uint32) error {
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		return err
	}
	return unix.Chmod(path, mode)
}

// attacks need a number of arguments of the kernel's and nothing else. Reaching files and sockets is tried by probes and scripts.
var attacks = []attack{
	{"ptrace", func() error {
		runtime.LockOSThread() // the tracer is a thread
		defer runtime.UnlockOSThread()
		child := exec.Command("sleep", "60")
		if err := child.Start(); err != nil {
			return fmt.Errorf("nothing to trace: %w", err)
		}
		defer child.Wait()
		defer child.Process.Kill()
		return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(child.Process.Pid))
	}, unix.EPERM, true},
	{"read another's memory", func() error {
		b := make([]byte, 8)
		_, err := unix.ProcessVMReadv(os.Getpid(), []unix.Iovec{{Base: &b[0], Len: 8}}, []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&b[0])), Len: 8}}, 0)
		return err
	}, unix.EPERM, true},
	{"unshare", func() error { return unix.Unshare(0) }, unix.EPERM, true},
	{"its own loopback", func() error { // which works: tests start servers
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		return c.Close()
	}, nil, true},
	{"a child", func() error { return exec.Command("true").Run() }, nil, true}, // which works, unlike the next
	{"user namespace", func() error {
		cmd := exec.Command("true")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
		return cmd.Run()
	}, unix.EPERM, true},
	{"clone3", func() error { return call(unix.SYS_CLONE3, 0, 0) }, unix.ENOSYS, false},
	{"setns", func() error { return call(unix.SYS_SETNS, ^uintptr(0), 0) }, unix.EPERM, false},
	{"mount", func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") }, unix.EPERM, false},
	{"unmount", func() error { return unix.Unmount("/tmp", unix.MNT_DETACH) }, unix.EPERM, false},
	{"clone a mount tree", func() error { return call(unix.SYS_OPEN_TREE, ^uintptr(0), 0, 0) }, unix.EPERM, false},
	{"change root", func() error { return unix.Chroot("/tmp") }, unix.EPERM, false},
	{"open by handle", func() error { return call(unix.SYS_OPEN_BY_HANDLE_AT, ^uintptr(0), 0, 0) }, unix.EPERM, false},
	{"name to handle", func() error { _, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "/", 0); return err }, unix.EPERM, true},
	{"keyring", func() error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true); return err }, unix.EPERM, true},
	{"add a key", func() error {
		_, err := unix.AddKey("user", "agentbridge-test", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
		return err
	}, unix.EPERM, true},
	{"io_uring", func() error { return call(unix.SYS_IO_URING_SETUP, 1, 0) }, unix.EPERM, false},
	{"bpf", func() error { return call(unix.SYS_BPF, 0, 0, 0) }, unix.EPERM, false},
	{"perf events", func() error { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0) }, unix.EPERM, false},
	{"userfaultfd", func() error { return call(unix.SYS_USERFAULTFD, 0x7fffffff) }, unix.EPERM, false},
	{"a call that is newer than the filter", func() error { return call(unix.SYS_RSEQ_SLICE_YIELD + 1) }, unix.ENOSYS, false},
	{"keystrokes for a terminal", func() error {
		fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			return fmt.Errorf("no terminal to try it on: %w", err)
		}
		defer unix.Close(fd)
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return fmt.Errorf("no terminal to try it on: %w", err)
		}
		n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
		if err != nil {
			return fmt.Errorf("no terminal to try it on: %w", err)
		}
		tty, err := unix.Open("/dev/pts/"+strconv.Itoa(int(n)), unix.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("no terminal to try it on: %w", err)
		}
		defer unix.Close(tty)
		c := byte('x')
		return call(unix.SYS_IOCTL, uintptr(tty), unix.TIOCSTI, uintptr(unsafe.Pointer(&c)))
	}, unix.EPERM, false},
	{"the same with a large number", func() error {
		// The kernel looks at 32 bits of the order, so must the filter.
		return call(unix.SYS_IOCTL, 0, 1<<32|unix.TIOCSTI, 0)
	}, unix.EPERM, false},
	{"vsock", socketOf(unix.AF_VSOCK), unix.EAFNOSUPPORT, false},
	{"packets", socketOf(unix.AF_PACKET), unix.EAFNOSUPPORT, false},
	{"kernel crypto", socketOf(unix.AF_ALG), unix.EAFNOSUPPORT, false},
	{"bluetooth", socketOf(unix.AF_BLUETOOTH), unix.EAFNOSUPPORT, false},
	{"set-user-id file", func() error { return chmodSetID("setuid", 0o4755) }, unix.EPERM, true},
	{"set-group-id file", func() error { return chmodSetID("setgid", 0o2755) }, unix.EPERM, true},
	{"set-user-id at creation", func() error {
		fd, err := unix.Open("created", unix.O_CREAT|unix.O_WRONLY, 0o4755)
		unix.Close(fd)
		return err
	}, unix.EPERM, true},
	{"openat2", func() error {
		fd, err := unix.Openat2(unix.AT_FDCWD, "created2", &unix.OpenHow{Flags: unix.O_CREAT | unix.O_WRONLY, Mode: 0o4755})
		unix.Close(fd)
		return err
	}, unix.ENOSYS, true},
	{"signal the server", func() error { return unix.Kill(atoi(os.Getenv("SERVER")), 0) }, unix.ESRCH, true},
	{"see the server", func() error { _, err := os.ReadFile("/proc/" + os.Getenv("SERVER") + "/environ"); return err }, unix.ENOENT, true},
	{"write a setting of the kernel", func() error {
		return os.WriteFile("/proc/sys/kernel/core_pattern", []byte("|/tmp/x"), 0)
	}, unix.EACCES, false},
	{"the machine's keyrings", func() error { return call(unix.SYS_REQUEST_KEY, 0, 0, 0, 0) }, unix.EPERM, false},
}

func atoi(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1 << 20
	}
	return n
}

// attackFrom runs all attacks and prints a line for each; it is what this program does inside.
func attackFrom() {
	for _, a := range attacks {
		err := a.try()
		var errno syscall.Errno
		if errors.As(err, &errno) {
			err = errno
		}
		fmt.Printf("%s: %v\n", a.name, err)
	}
}

func TestRun_NoWayOut(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := "SERVER=" + strconv.Itoa(os.Getpid())
	dir := workspace(t)
	s := open(t, sandbox.Options{Workspace: dir, ReadOnly: []string{program}})
	r := run(t, s, sandbox.Command{Steps: sandbox.Pipe([][]string{{program}}...), Env: []string{"ESCAPE=1", server}})
	inside := string(r.Output)
	bare := exec.Command(program)
	bare.Dir, bare.Env = t.TempDir(), append(os.Environ(), "ESCAPE=1", server)
	out, err := bare.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attacks {
		if want := fmt.Sprintf("%s: %v\n", a.name, a.want); !strings.Contains(inside, want) {
			t.Errorf("%s: want %v inside", a.name, a.want)
		}
		if a.open && !strings.Contains(string(out), a.name+": <nil>\n") {
			t.Errorf("%s does not work without a sandbox either, so it shows nothing", a.name)
		}
	}
	if t.Failed() {
		t.Logf("inside, exit status %d:\n%s\noutside:\n%s", r.Exit, inside, out)
	}
}

// What a shell can try with files, each from a fresh workspace. Afterwards everything that is protected must be as it was, and
// nothing new must be there.
func TestRun_WhatExecutesLaterStays(t *testing.T) {
	for _, script := range []string{
		"echo evil >.git/hooks/pre-commit",
		"echo evil >>.git/config",
		"git config core.fsmonitor evil",
		"git config --worktree core.fsmonitor evil",
		"mv .git .git2; mkdir -p .git/hooks; echo evil >.git/hooks/pre-commit",
		"rm -rf .git/hooks; mkdir .git/hooks; echo evil >.git/hooks/pre-commit",
		"mv .git/hooks .git/old; mkdir .git/hooks",
		"mv .git/config .git/config.old; echo evil >.git/config",
		"ln .git/config other; echo evil >other; rm other",
		"ln -s .git/config other; echo evil >other; rm other",
		"ln .git/hooks/pre-push other; echo evil >other; rm other",
		"ln -sf /etc/passwd .git/config",
		"chmod 755 .git/hooks; chmod 644 .git/config; echo evil >.git/hooks/pre-commit",
		"rm -f .git/commondir; echo ../evil >.git/commondir",
		"printf ../evil >.git/commondir.new; mv -f .git/commondir.new .git/commondir; rm -f .git/commondir.new",
		"rmdir .mcp.json; echo evil >.mcp.json",
		"chmod 755 .claude; mkdir -p .claude/commands; echo evil >.claude/settings.json",
		"mv .vscode x; mkdir .vscode; rmdir x",
		"rm -rf .github; mkdir -p .github/workflows; echo evil >.github/workflows/evil.yml",
		"ln -sfn /tmp .cursor; ln -s /tmp new-link && mv -T new-link .cursor; rm -f new-link",
		"rmdir HEAD; echo ref: refs/heads/main >HEAD",
		"echo evil >>.envrc",
		"rm -f .envrc",
		"mv .envrc x; echo evil >.envrc",
		"ln .envrc x; echo evil >x; rm x",
		"echo evil >>scripts/hooks/pre-commit",
		"mv scripts s2; mkdir -p scripts/hooks; echo evil >scripts/hooks/pre-commit",
		`mv "$PWD" "$PWD-2"; mkdir "$PWD"`,
		`cd ..; rm -rf "$OLDPWD"/.git/hooks "$OLDPWD"/.git/config`,
		"cp -a .git g2; rm -rf .git; mv g2 .git; rm -rf g2",
		"git worktree prune; git init -q; git init -q --template=/tmp .",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			dir := repository(t)
			write(t, filepath.Join(dir, ".envrc"), "original\n")
			write(t, filepath.Join(dir, "scripts", "hooks", "pre-commit"), "original\n")
			write(t, filepath.Join(dir, ".git", "hooks", "pre-push"), "original\n")
			git(t, dir, "config", "core.hooksPath", "scripts/hooks")
			before := listing(t, dir)
			s := open(t, sandbox.Options{Workspace: dir})
			r := run(t, s, sh(script))
			after := listing(t, dir)
			for path, text := range before {
				if protected(path) && after[path] != text {
					t.Errorf("%s was %q and is %q", path, text, after[path])
				}
			}
			for path, text := range after {
				if _, was := before[path]; protected(path) && !was {
					t.Errorf("%s is new: %q", path, text)
				}
			}
			if t.Failed() {
				t.Logf("exit status %d: %s", r.Exit, r.Output)
			}
		})
	}
}

// protected reports whether a path of the test's workspace must not change.
func protected(path string) bool {
	for _, p := range []string{".git/config", ".git/hooks", ".git/commondir", ".envrc", "scripts/hooks", ".mcp.json", ".claude", ".vscode", ".github", ".cursor", "HEAD"} {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// listing is what a directory holds: texts of files, targets of links, and where directories are.
func listing(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			found[rel] = "link to " + target
			return err
		case info.IsDir():
			found[rel] = "directory"
		case !info.Mode().IsRegular():
			found[rel] = info.Mode().Type().String()
		default:
			text, err := os.ReadFile(path)
			found[rel] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
