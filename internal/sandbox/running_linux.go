//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentbridge/internal/sandbox/inner"
)

// patience is how long the machinery itself may take to begin, or to be gone after it was killed.
const patience = 20 * time.Second

// firstFile is the first descriptor after those of the inner step.
const firstFile = inner.SelfFD + 1

// running is one command between its start and its end.
type running struct {
	path      string // the program that builds the walls, or this one where there are none
	args      []string
	bare      bool // without walls: the first process is the inner step itself
	self      *os.File
	files     []string // short texts, each on a descriptor of its own from firstFile on
	workspace string
	writes    bool
	limits    Limits
	group     *cgroup // or nil
}

// run starts the command and returns when nothing of it is left.
func (r *running) run(ctx context.Context, cmd Command, spec inner.Spec) (Result, error) {
	// The kernel kills the command when the thread that started it ends, so that thread is kept until the command is gone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var p pipes
	defer p.close()
	if err := p.open(); err != nil {
		return Result{}, refusal(Broken, "", "no pipe: %s", err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return Result{}, refusal(BadCommand, "", "the command cannot be told to the sandbox")
	}
	c := exec.Command(r.path)
	c.Env = []string{} // nil would be everything of this process
	c.Stdout, c.Stderr = p.output.theirs, p.output.theirs
	c.ExtraFiles = []*os.File{p.args.theirs, p.spec.theirs, p.status.theirs, p.info.theirs, r.self}
	for _, text := range r.files {
		file, err := short(text)
		if err != nil {
			return Result{}, refusal(Broken, "", "no pipe: %s", err)
		}
		defer file.Close()
		c.ExtraFiles = append(c.ExtraFiles, file)
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if r.bare {
		c.Args = append(c.Args, r.args...)
	} else {
		// The rest of the arguments is read from a pipe, where no list of processes shows it.
		c.Args = append(c.Args, "--args", "3", "--", fmt.Sprintf("/proc/self/fd/%d", inner.SelfFD), inner.Name)
	}
	if r.group != nil {
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(r.group.dir.Fd())
	}
	if err := c.Start(); err != nil {
		return Result{}, refusal(Broken, Install, "%s cannot be started: %s", r.path, cause(err))
	}
	p.closeTheirs()

	var working sync.WaitGroup
	defer working.Wait()
	kept := newCapture(r.limits.Output)
	working.Go(func() { io.Copy(kept, p.output.ours) })
	working.Go(func() { writeAll(p.args.ours, []byte(strings.Join(r.args, "\x00")+"\x00")) })
	var said bytes.Buffer // what the inner step says; read after working.Wait
	working.Go(func() { io.Copy(&said, io.LimitReader(p.status.ours, 4096)) })

	life, err := r.follow(c, &p)
	if err != nil {
		p.spec.ours.Close()
		c.Process.Kill()
		c.Wait()
		working.Wait()
		var words Result
		kept.into(&words)
		return Result{}, refusal(Broken, Install, "the sandbox did not come up: %s", firstLine(words.Output, err.Error()))
	}
	defer life.close()
	// Only now: the command cannot end before there is a hold on it.
	working.Go(func() { writeAll(p.spec.ours, text) })
	result := Result{Ending: r.wait(ctx, cmd.Time, life)}
	if !life.end() {
		return result, errors.New("a process of the command cannot be ended: the kernel does not let go of it")
	}
	werr := c.Wait()
	working.Wait() // every writer is gone
	kept.into(&result)
	switch state, broken := said.String(), werr; {
	case state == "" || state[0] != inner.Ready:
		if result.Ending == Exited {
			return Result{}, refusal(Broken, Install, "the sandbox did not come up: %s", firstLine(result.Output, strings.TrimPrefix(state, string(inner.Failed))))
		}
		result.Exit = -1
	case result.Ending != Exited:
		result.Exit = -1
	default:
		var exit *exec.ExitError
		if broken != nil && !errors.As(broken, &exit) {
			return result, fmt.Errorf("wait for the command: %w", broken)
		}
		result.Exit = exitStatus(c.ProcessState)
	}
	if r.group != nil && r.group.outOfMemory() {
		result.Ending = OutOfMemory
	}
	return result, nil
}

// exitStatus is what a shell would call the exit status.
func exitStatus(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

// follow finds the process whose end is the end of all, and holds on to it.
func (r *running) follow(c *exec.Cmd, p *pipes) (*life, error) {
	if r.bare {
		fd, err := unix.PidfdOpen(c.Process.Pid, 0)
		return &life{fd: fd, group: c.Process.Pid}, err
	}
	p.info.ours.SetReadDeadline(time.Now().Add(patience))
	var info struct {
		Child int `json:"child-pid"`
	}
	if err := json.NewDecoder(p.info.ours).Decode(&info); err != nil || info.Child <= 0 {
		return nil, errors.New("bubblewrap gave no process")
	}
	fd, err := unix.PidfdOpen(info.Child, 0)
	if err != nil {
		return nil, err
	}
	// Its number may have gone to another process already. Ours is the child of bubblewrap, which nobody has waited for yet.
	if parent, err := parentOf(info.Child); err != nil || parent != c.Process.Pid {
		unix.Close(fd)
		return nil, errors.New("its first process ended at once")
	}
	return &life{fd: fd}, nil
}

func parentOf(pid int) (parent int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text[bytes.LastIndexByte(text, ')')+1:], []byte(" "))
	var state string
	_, err = fmt.Sscan(string(rest), &state, &parent)
	return parent, err
}

// wait returns when the command ended by itself or is to be ended.
func (r *running) wait(ctx context.Context, limit time.Duration, l *life) Ending {
	deadline := time.Now().Add(limit)
	interrupted, stop := make(chan struct{}), make(chan struct{})
	woken, wake, err := os.Pipe()
	if err != nil {
		return Interrupted // it cannot be watched
	}
	defer woken.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer wake.Close() // which wakes the poll
		select {
		case <-ctx.Done():
			close(interrupted)
		case <-stop:
		}
	}()
	defer func() { close(stop); <-done }()
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return TimedOut
		}
		if r.writes {
			if r.diskFull() {
				return DiskFull
			}
			left = min(left, 250*time.Millisecond)
		}
		fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}, {Fd: int32(woken.Fd()), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, int(left/time.Millisecond)+1)
		switch {
		case fds[0].Revents != 0:
			return Exited
		case fds[1].Revents != 0:
			return Interrupted
		case err != nil && !errors.Is(err, unix.EINTR):
			return Interrupted
		}
	}
}

// diskFull reports whether the workspace's disk is nearly full.
func (r *running) diskFull() bool {
	var stat unix.Statfs_t
	return unix.Statfs(r.workspace, &stat) == nil && stat.Bavail*uint64(stat.Bsize) < r.limits.FreeBytes
}

// life is a hold on the first process of the sandbox. The kernel ends the other processes of a PID namespace with the first, and
// that one is not gone before they are.
type life struct {
	fd    int
	group int // the process group, where there is no PID namespace
}

// end kills what is left and reports whether it is gone.
func (l *life) end() bool {
	if l.group != 0 {
		unix.Kill(-l.group, unix.SIGKILL)
	}
	unix.PidfdSendSignal(l.fd, unix.SIGKILL, nil, 0) // an error says that it is gone already
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
		if n, _ := unix.Poll(fds, int(patience/time.Millisecond)); n > 0 {
			return true
		}
	}
	return false
}

func (l *life) close() { unix.Close(l.fd) }

// pipes are those between this process and the sandbox.
type pipes struct{ output, args, spec, status, info pipe }

type pipe struct{ ours, theirs *os.File }

func (p *pipes) all() []*pipe { return []*pipe{&p.output, &p.args, &p.spec, &p.status, &p.info} }

func (p *pipes) open() error {
	for _, one := range p.all() {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		if one == &p.args || one == &p.spec {
			one.ours, one.theirs = w, r
		} else {
			one.ours, one.theirs = r, w
		}
	}
	return nil
}

func (p *pipes) closeTheirs() {
	for _, one := range p.all() {
		one.theirs.Close()
	}
}

func (p *pipes) close() {
	for _, one := range p.all() {
		if one.ours != nil {
			one.ours.Close()
			one.theirs.Close()
		}
	}
}

// short is a file with a text that fits into a pipe.
func short(text string) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if _, err := w.WriteString(text); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// writeAll writes and closes. Who does not read it has a reason of its own, which is told elsewhere.
func writeAll(w *os.File, text []byte) {
	w.Write(text)
	w.Close()
}

// firstLine is the first line that the machinery said, or what is known otherwise.
func firstLine(output []byte, otherwise string) string {
	if line, _, _ := bytes.Cut(bytes.TrimSpace(output), []byte("\n")); len(line) > 0 {
		return string(line)
	}
	if otherwise == "" {
		return "it ended without a word"
	}
	return otherwise
}
