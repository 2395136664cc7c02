//go:build amd64 || arm64

package inner

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// step never returns: it becomes the command, or ends.
func step() {
	// What is given up is given up by this thread, and the command is started by it.
	runtime.LockOSThread()
	status := os.NewFile(StatusFD, "status")
	fail := func(err error) {
		status.WriteString(string(Failed) + err.Error())
		os.Exit(exitOf(err))
	}
	spec, err := readSpec()
	if err != nil {
		fail(err)
	}
	// Nothing of the machinery is inherited by the command.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fail(wrap("close descriptors", err))
	}
	if err := os.Chdir(spec.Dir); err != nil {
		fail(err)
	}
	if err := giveUp(spec); err != nil {
		fail(err)
	}
	if _, err := status.WriteString(string(Ready)); err != nil {
		os.Exit(126) // nobody listens, so nobody would hear how it ends
	}
	os.Exit(sequence(spec))
}

func readSpec() (*Spec, error) {
	text, err := io.ReadAll(os.NewFile(SpecFD, "spec"))
	if err != nil {
		return nil, wrap("read what to run", err)
	}
	spec := new(Spec)
	if err := json.Unmarshal(text, spec); err != nil {
		return nil, wrap("read what to run", err)
	}
	if len(spec.Steps) == 0 {
		return nil, errors.New("nothing to run")
	}
	for _, step := range spec.Steps {
		if len(step.Stages) == 0 || slices.ContainsFunc(step.Stages, func(s Stage) bool { return len(s.Argv) == 0 }) {
			return nil, errors.New("an empty command in the pipeline")
		}
	}
	return spec, nil
}

// giveUp takes from this thread, and from all that it starts, what the command must not have. Any error means: do not start it.
func giveUp(spec *Spec) error {
	if err := limit(spec); err != nil {
		return err
	}
	// Without it neither of the next two is allowed to an ordinary user; and no program becomes root by its file mode.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return wrap("no_new_privs", err)
	}
	if err := landlock(spec); err != nil {
		return err
	}
	return seccomp(spec) // last: it refuses what the others need
}

func limit(spec *Spec) error {
	for _, l := range []struct {
		resource int
		value    uint64
	}{
		{unix.RLIMIT_FSIZE, spec.FileBytes},
		{unix.RLIMIT_DATA, spec.MemoryBytes},
		{unix.RLIMIT_NPROC, spec.Processes},
		{unix.RLIMIT_NOFILE, spec.OpenFiles},
	} {
		if l.value == 0 {
			continue
		}
		var now syscall.Rlimit
		if err := syscall.Getrlimit(l.resource, &now); err != nil {
			return wrap("read a limit", err)
		}
		value := min(l.value, now.Max)
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: value, Max: value}); err != nil {
			return wrap("set a limit", err)
		}
	}
	if err := syscall.Setrlimit(unix.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return wrap("forbid core files", err)
	}
	return nil
}

// find gives the file that argv[0] names, by the PATH of env where it has no slash, as execvp does.
func find(argv, env []string) (string, []string, error) {
	name := argv[0]
	if name == Trial {
		return "/proc/self/fd/7", append([]string{"agentbridge"}, argv...), nil
	}
	if strings.Contains(name, "/") {
		return name, argv, nil
	}
	for _, v := range env {
		path, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for dir := range strings.SplitSeq(path, ":") {
			file := dir + "/" + name
			if info, err := os.Stat(file); dir != "" && err == nil && info.Mode().IsRegular() && unix.Access(file, unix.X_OK) == nil {
				return file, argv, nil
			}
		}
	}
	return "", nil, &os.PathError{Op: "start", Path: name, Err: unix.ENOENT}
}

// exitOf is the exit status that a shell gives when it cannot start a program.
func exitOf(err error) int {
	if errors.Is(err, unix.ENOENT) {
		return 127
	}
	return 126
}

func wrap(doing string, err error) error { return errors.New(doing + ": " + err.Error()) }
