//go:build amd64 || arm64

package inner

import (
	"errors"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// sequence runs the steps as a shell would and gives the exit status of the last that ran. What cannot be started says so on stderr
// and counts as failed.
func sequence(spec *Spec) int {
	if first := spec.Steps[0].Stages[0]; len(spec.Steps) == 1 && len(spec.Steps[0].Stages) == 1 && len(first.Redirects) == 0 {
		return become(spec, first)
	}
	// Other threads of this process gave up less than the stages did, so its memory must not be theirs to see.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return complain(os.Stderr, wrap("hide this process", err))
	}
	code := 0
	for _, step := range spec.Steps {
		if step.When == IfOK && code != 0 || step.When == IfFailed && code == 0 {
			continue
		}
		code = pipeline(spec, step.Stages)
	}
	return code
}

// become replaces this process by the stage. It returns only if that failed.
func become(spec *Spec, stage Stage) int {
	if err := os.Chdir(directory(spec, stage)); err != nil {
		return complain(os.Stderr, err)
	}
	env := environment(spec, stage)
	path, argv, err := find(stage.Argv, env)
	if err == nil {
		if err = syscall.Exec(path, argv, env); err != nil {
			err = &os.PathError{Op: "start", Path: stage.Argv[0], Err: err}
		}
	}
	return complain(os.Stderr, err)
}

// pipeline runs the stages joined by pipes and gives the exit status of the last.
func pipeline(spec *Spec, stages []Stage) int {
	var running []*os.Process
	var failed []int // exit statuses of those that did not start
	in := os.Stdin
	for i, stage := range stages {
		out, next := os.Stdout, os.Stdin
		if i < len(stages)-1 {
			r, w, err := os.Pipe()
			if err != nil {
				return complain(os.Stderr, wrap("join the pipeline", err))
			}
			out, next = w, r
		}
		p, code := start(spec, stage, in, out)
		running, failed = append(running, p), append(failed, code)
		if in != os.Stdin {
			in.Close()
		}
		if out != os.Stdout {
			out.Close()
		}
		in = next
	}
	code := 0
	for i, p := range running {
		code = failed[i]
		if p == nil {
			continue
		}
		state, err := p.Wait()
		if err != nil {
			return complain(os.Stderr, wrap("wait for the pipeline", err))
		}
		code = state.ExitCode()
		if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			code = 128 + int(ws.Signal())
		}
	}
	return code
}

// start starts one stage, or says why not and gives its exit status.
func start(spec *Spec, stage Stage, in, out *os.File) (*os.Process, int) {
	dir := directory(spec, stage)
	files := []*os.File{in, out, os.Stderr}
	for _, r := range stage.Redirects {
		for r.FD >= len(files) {
			files = append(files, nil)
		}
		if r.Op == ">&" {
			if r.From >= len(files) || files[r.From] == nil {
				return nil, complain(files[2], errors.New("redirect: there is no such descriptor"))
			}
			files[r.FD] = files[r.From]
			continue
		}
		flags := map[string]int{"<": os.O_RDONLY, ">": os.O_WRONLY | os.O_CREATE | os.O_TRUNC, ">>": os.O_WRONLY | os.O_CREATE | os.O_APPEND}[r.Op]
		path := r.Path
		if path[0] != '/' {
			path = dir + "/" + path
		}
		file, err := os.OpenFile(path, flags, 0o666) // by this thread, so it may do no more than the stage
		if err != nil {
			complain(files[2], err)
			return nil, 1
		}
		defer file.Close()
		files[r.FD] = file
	}
	env := environment(spec, stage)
	path, argv, err := find(stage.Argv, env)
	if err != nil {
		return nil, complain(files[2], err)
	}
	p, err := os.StartProcess(path, argv, &os.ProcAttr{Dir: dir, Env: env, Files: files})
	if err != nil {
		return nil, complain(files[2], &os.PathError{Op: "start", Path: stage.Argv[0], Err: errors.Unwrap(err)})
	}
	return p, 0
}

func directory(spec *Spec, stage Stage) string {
	if stage.Dir == "" {
		return spec.Dir
	}
	return spec.Dir + "/" + stage.Dir
}

// environment is that of the command with the stage's own; the last of a name counts.
func environment(spec *Spec, stage Stage) []string {
	env := slices.Clone(spec.Env)
	for _, v := range stage.Env {
		name := v[:max(0, slices.Index([]byte(v), '=')+1)]
		env = slices.DeleteFunc(env, func(old string) bool { return len(old) >= len(name) && old[:len(name)] == name })
		env = append(env, v)
	}
	return env
}

// complain says on a descriptor why something did not start, and gives the exit status of that.
func complain(to *os.File, err error) int {
	if to != nil {
		to.WriteString(err.Error() + "\n")
	}
	return exitOf(err)
}
