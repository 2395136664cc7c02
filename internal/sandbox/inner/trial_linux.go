//go:build amd64 || arm64

package inner

import (
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// trial really tries to do what the sandbox must not let happen, prints a list of [Check] as JSON and gives the exit status.
func trial(args []string) int {
	var targets Targets
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &targets) != nil {
		os.Stderr.WriteString("this is a part of agentbridge doctor\n")
		return 2
	}
	var checks []Check
	for _, attempt := range attempts {
		check := Check{Name: attempt.name, Held: true}
		if broken := attempt.broken(targets); broken != nil {
			check.Held, check.Detail = false, broken.Error()
		}
		checks = append(checks, check)
	}
	text, err := json.Marshal(checks)
	if err != nil {
		return 1
	}
	os.Stdout.Write(text)
	return 0
}

// attempts are what is tried, in this order. Each gives nil if the sandbox is as it should be.
var attempts = []struct {
	name   string
	broken func(Targets) error
}{
	{"the workspace can be written, if it may be", func(t Targets) error {
		if t.ReadOnly {
			return expect(make1(t.Workspace))
		}
		return errors.Join(make1(t.Workspace), make1(os.TempDir()))
	}},
	{"no file outside can be read", func(t Targets) error {
		_, err := os.ReadFile(t.Secret)
		return expect(err)
	}},
	{"the data directory is not there", func(t Targets) error {
		entries, err := os.ReadDir(t.Hidden)
		if err == nil && len(entries) == 0 {
			return nil
		}
		return expect(err)
	}},
	{"nothing outside can be written", func(t Targets) error {
		return errors.Join(expect(make1(t.Outside)), expect(make1("/")), expect(make1("/usr")), expect(make1("/etc")), expect(make1("/dev")))
	}},
	{"the environment is not inherited", func(t Targets) error {
		if os.Getenv(t.Variable) != "" {
			return errors.New("a variable of the server is there")
		}
		return nil
	}},
	{"the machine's network is not there", func(t Targets) error {
		return expect(connect(unix.AF_INET, &unix.SockaddrInet4{Port: t.TCP, Addr: [4]byte{127, 0, 0, 1}}))
	}},
	{"no socket of another process answers", func(t Targets) error {
		return errors.Join(expect(connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: t.Unix})), expect(connect(unix.AF_UNIX, &unix.SockaddrUnix{Name: "@" + t.Abstract})))
	}},
	{"no other process is there", func(Targets) error {
		entries, err := os.ReadDir("/proc")
		if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		count := 0
		for _, entry := range entries {
			if _, err := strconv.Atoi(entry.Name()); err == nil {
				count++
			}
		}
		if err == nil && count > 3 {
			err = errors.New(strconv.Itoa(count) + " processes are visible")
		}
		return err
	}},
	{"no new user namespace", func(Targets) error {
		// By a child: unshare itself fails in any program with threads.
		p, err := os.StartProcess("/proc/self/exe", []string{"agentbridge", Trial}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}})
		if err == nil {
			p.Wait()
		}
		return expect(err)
	}},
	{"no mount", func(Targets) error { return expect(unix.Mount("none", os.TempDir(), "tmpfs", 0, "")) }},
	{"no file larger than allowed", func(t Targets) error {
		// The signal that comes with it would end the trial.
		runtime.LockOSThread()
		set := unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGXFSZ - 1)}}
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
			return err
		}
		file, err := os.Create(t.Workspace + "/large")
		if t.ReadOnly {
			return expect(err)
		}
		if err != nil {
			return err
		}
		defer os.Remove(file.Name())
		defer file.Close()
		return expect(unix.Ftruncate(int(file.Fd()), int64(t.FileBytes)+1))
	}},
	{"what git executes cannot be changed", func(t Targets) error {
		git := t.Workspace + "/.git"
		return errors.Join(expect(make1(git+"/hooks")), expect(os.WriteFile(git+"/config", nil, 0o600)), expect(os.Rename(git, git+"2")))
	}},
}

// make1 makes a file in dir and removes it again.
func make1(dir string) error {
	name := dir + "/made-by-a-trial"
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		return err
	}
	return os.Remove(name)
}

// connect begins and ends a connection.
func connect(family int, to unix.Sockaddr) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, to)
}

// expect turns the failure that should be into none, and its absence into one.
func expect(err error) error {
	if err == nil {
		return errors.New("it worked")
	}
	if errors.Is(err, syscall.EINTR) {
		return err
	}
	return nil
}
