//go:build unix

package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// container runs commands in a container of Docker or Podman. Its walls are the engine's; what is asked of it is in arguments.
type container struct {
	options  Options
	nested   *nested
	settings *gitSettings
	engine   string // the program
	name     string
	server   string // its version
}

// openContainer opens the tier of that engine, if it answers and has the image: nothing is downloaded here.
func openContainer(engine string) func(Options) (box, error) {
	return func(o Options) (box, error) {
		if o.Image == "" {
			return nil, fmt.Errorf("no image is set for %s", engine)
		}
		program, err := exec.LookPath(engine)
		if err != nil {
			return nil, fmt.Errorf("%s is not installed", engine)
		}
		for _, hidden := range o.Hidden {
			if within(hidden, o.Workspace) {
				return nil, fmt.Errorf("%s cannot be hidden within the workspace from %s", hidden, engine)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		version, err := exec.CommandContext(ctx, program, "version", "--format", "{{.Server.Version}}").Output()
		if err != nil {
			return nil, fmt.Errorf("%s does not answer", engine)
		}
		if exec.CommandContext(ctx, program, "image", "inspect", o.Image).Run() != nil {
			return nil, fmt.Errorf("%s has no image %s", engine, o.Image)
		}
		return &container{options: o, nested: newNested(o.Workspace), settings: &gitSettings{root: o.Workspace}, engine: program, name: engine, server: strings.TrimSpace(string(version))}, nil
	}
}

func (c *container) version() (string, []string) {
	return fmt.Sprintf("%s %s with %s", c.name, c.server, c.options.Image), []string{"the walls are those of the engine; the commands are those of the image"}
}

func (c *container) run(ctx context.Context, cmd Command) (Result, error) {
	g := new(guard)
	if !cmd.ReadOnly {
		var err error
		if g, err = newGuard(ctx, c.options, c.nested, c.settings); err != nil {
			return Result{}, err
		}
		defer g.release()
	}
	name := "agentbridge-" + strings.ToLower(rand.Text())
	limited, cancel := context.WithTimeout(ctx, cmd.Time)
	defer cancel()
	// The client is only a messenger: killing it leaves the container.
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		exec.CommandContext(end, c.engine, "rm", "--force", name).Run()
	}()
	r, w, err := os.Pipe()
	if err != nil {
		return Result{}, refusal(Broken, "", "no pipe: %s", err)
	}
	defer r.Close()
	client := exec.CommandContext(limited, c.engine, c.arguments(name, cmd, g)...)
	client.Stdout, client.Stderr = w, w
	start := time.Now()
	err = client.Start()
	w.Close()
	if err != nil {
		return Result{}, refusal(Broken, Install, "%s cannot be started: %s", c.name, cause(err))
	}
	kept := newCapture(c.options.Limits.Output)
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(kept, r) })
	err = client.Wait()
	reading.Wait()
	result := Result{Ending: Exited, Exit: client.ProcessState.ExitCode(), Notes: g.notes}
	kept.into(&result)
	if !cmd.ReadOnly {
		exec.CommandContext(context.WithoutCancel(ctx), c.engine, "rm", "--force", name).Run() // nothing of it may run any longer
		result.Notes = append(result.Notes, c.nested.disarm(start)...)
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		result.Ending, result.Exit = Interrupted, -1
	case limited.Err() != nil:
		result.Ending, result.Exit = TimedOut, -1
	case result.Exit == 125: // the engine's own failure; a command that ends so is indistinguishable
		return Result{}, refusal(Broken, "see what "+c.name+" says of it", "the container did not start: %s", lastLine(result.Output))
	case err != nil && !errors.As(err, &exit):
		return result, fmt.Errorf("wait for %s: %w", c.name, err)
	}
	return result, nil
}

// lastLine is where an engine says what went wrong, after its advice.
func lastLine(output []byte) string {
	output = bytes.TrimSpace(output)
	return string(output[bytes.LastIndexByte(output, '\n')+1:])
}

// arguments are what the engine is told.
func (c *container) arguments(name string, cmd Command, g *guard) []string {
	limits, root := c.options.Limits, c.options.Workspace
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	args := []string{
		"run", "--rm", "--name", name, "--pull", "never", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--pids-limit", number(limits.Processes), "--memory", number(limits.MemoryBytes), "--memory-swap", number(limits.MemoryBytes),
		"--ulimit", "fsize=" + number(limits.FileBytes), "--ulimit", "nofile=" + number(limits.OpenFiles), "--ulimit", "core=0",
		"--shm-size", number(limits.TempBytes), "--tmpfs", "/tmp:rw,nosuid,nodev,mode=1777,size=" + number(limits.TempBytes),
		"--user", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), "--workdir", filepath.Join(root, filepath.FromSlash(cmd.Dir)),
	}
	switch c.name {
	case "docker":
		args = append(args, "--init") // Podman's is a package of its own
	case "podman":
		// Its default is more than some machines allow. Docker would count all processes of this user.
		args = append(args, "--ulimit", "nproc="+number(limits.Processes))
		if os.Getuid() != 0 {
			args = append(args, "--userns", "keep-id")
		}
	}
	if !cmd.Network {
		args = append(args, "--network", "none")
	}
	mount := func(path, mode string) { args = append(args, "--volume", path+":"+path+":"+mode) }
	if cmd.ReadOnly {
		mount(root, "ro")
	} else {
		mount(root, "rw")
		for _, path := range g.pinned {
			mount(path, "rw")
		}
		for _, path := range slices.Concat(g.frozen, g.empty) {
			if within(path, root) { // the repository of a linked worktree stays outside
				mount(path, "ro")
			}
		}
	}
	for _, path := range c.options.ReadOnly {
		mount(realPath(path), "ro")
	}
	for _, v := range environment(cmd, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/tmp") {
		args = append(args, "--env", v)
	}
	return append(args, "--entrypoint", "/bin/sh", c.options.Image, "-c", line(cmd.Steps))
}

// line is the command in the language of the shell, every word quoted.
func line(steps []Step) string {
	var b strings.Builder
	for i, step := range steps {
		if i > 0 {
			b.WriteString(map[When]string{Always: "\n", IfOK: " && ", IfFailed: " || "}[step.When])
		}
		for j, stage := range step.Stages {
			if j > 0 {
				b.WriteString(" | ")
			}
			b.WriteString("(")
			if stage.Dir != "" {
				b.WriteString("cd " + quoted("./"+stage.Dir) + " && ")
			}
			b.WriteString("exec env") // which takes variables before the program; no program's name holds =
			for _, word := range slices.Concat(stage.Env, stage.Argv) {
				b.WriteString(" " + quoted(word))
			}
			for _, r := range stage.Redirects {
				if fmt.Fprintf(&b, " %d%s", r.FD, r.Op); r.Op == ">&" {
					fmt.Fprint(&b, r.From)
				} else {
					b.WriteString(quoted(r.Path))
				}
			}
			b.WriteString(")")
		}
	}
	return b.String()
}

func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
