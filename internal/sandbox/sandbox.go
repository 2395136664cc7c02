// Package sandbox runs one command under limits.
//
// A command sees the system's programs, a workspace, and nothing else: no home, no other process, no network, no environment. It may
// change the workspace except what others execute from there later ([Protected]), and when it ends, nothing of it is left running.
// Where that cannot be had, nothing is run.
package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/sandbox/inner"
)

// Tier is how strong a sandbox is.
type Tier string

// The tiers, strongest first. [New] takes the first that works.
const (
	Bubblewrap Tier = "bubblewrap" // namespaces by bubblewrap, and inside them Landlock, seccomp and resource limits
	Docker     Tier = "docker"     // a container without network, capabilities and a writable root, by that program
	Podman     Tier = "podman"     // the same, by that program
	Landlock   Tier = "landlock"   // Landlock, seccomp and resource limits alone: only for commands that write nothing
	None       Tier = "none"       // nothing is run
)

// Options say where commands run and what they may use. The zero value of each field is a default; only Workspace is needed.
type Options struct {
	// Workspace is the only directory that commands may change: absolute, without symbolic links in it, existing, and neither the root
	// nor a home or something above one.
	Workspace string

	Hidden   []string // directories that no command sees, whatever else is visible: first of all the data directory of the bridge
	ReadOnly []string // more files and directories that commands may read and execute, such as a toolchain outside /usr
	Protect  []string // more of the workspace that commands may not change, besides [Protected]; slash-separated, relative
	Cache    string   // a directory kept between commands, which they see as ~/.cache; none if empty. Share it with nothing else
	Home     string   // whose place an empty home takes; the user's own if empty
	Image    string   // of the container where Docker or Podman runs commands; without one these tiers are not tried
	Cgroup   string   // a cgroup v2 directory delegated to this process; looked for if empty
	Limits   Limits
}

// Limits are the most that one command gets. A field that is zero has the default from [Defaults].
type Limits struct {
	Time        time.Duration // from start to end
	Output      int           // bytes kept of stdout and stderr together; more is counted and dropped
	FileBytes   uint64        // of one file
	TempBytes   uint64        // of /tmp, of the home and of shared memory, each; they are in memory and end with the command
	FreeBytes   uint64        // of the workspace's disk: the command is ended before less than that is left
	MemoryBytes uint64        // of private memory, for each process; where a cgroup is delegated, of the whole command
	Processes   uint64        // processes and threads of the whole command
	OpenFiles   uint64        // of each process
}

// Defaults are the limits that hold where nothing else is said.
var Defaults = Limits{
	Time:        5 * time.Minute,
	Output:      64 << 10,
	FileBytes:   1 << 30,
	TempBytes:   1 << 30,
	FreeBytes:   256 << 20,
	MemoryBytes: 4 << 30,
	Processes:   1024,
	OpenFiles:   8192,
}

// Command is what to run: programs with their arguments, never a line for a shell to take apart; see [Shell] for that.
type Command struct {
	Steps    []Step        // at least one, run one after the other as their conditions say; see [Pipe]
	Dir      string        // in the workspace, relative to it; empty for the workspace itself
	Env      []string      // NAME=value, added to the few variables that every command has; the last of a name counts
	ReadOnly bool          // the workspace cannot be changed
	Network  bool          // the machine's network is there, its loopback services too
	Time     time.Duration // instead of Limits.Time, if not zero
}

// A Step is a pipeline of at least one [Stage]: each one's stdout is the next one's stdin, and the first reads an empty stdin. Its exit
// status is that of the last.
type Step = inner.Step

// A Stage is one program with its arguments, variables, directory (relative to Command.Dir) and [Redirect]s.
type Stage = inner.Stage

// A Redirect changes where one descriptor of a stage goes, 0 to 9: Op is "<", ">" or ">>" with a Path, or ">&" with From.
type Redirect = inner.Redirect

// When is the condition of a step, given the exit status of the last one that ran.
type When = inner.When

// The conditions.
const (
	Always   = inner.Always
	IfOK     = inner.IfOK
	IfFailed = inner.IfFailed
)

// Pipe is the one step of programs joined by pipes.
func Pipe(argvs ...[]string) []Step {
	var step Step
	for _, argv := range argvs {
		step.Stages = append(step.Stages, Stage{Argv: argv})
	}
	return []Step{step}
}

// Shell is the stage that has a shell run that line: bash where there is one.
func Shell(line string) []string {
	for _, shell := range []string{"/usr/bin/bash", "/bin/bash"} {
		if _, err := os.Stat(shell); err == nil {
			return []string{shell, "-c", line}
		}
	}
	return []string{"/bin/sh", "-c", line}
}

// Ending is why a command ended.
type Ending string

// The endings.
const (
	Exited      Ending = "exited"        // by itself
	TimedOut    Ending = "timed out"     // after Limits.Time
	Interrupted Ending = "interrupted"   // because the context ended
	DiskFull    Ending = "disk full"     // because less than Limits.FreeBytes was left
	OutOfMemory Ending = "out of memory" // the cgroup's limit was reached and the kernel ended a process of it
)

// Result is how a command went.
type Result struct {
	Tier   Tier
	Ending Ending
	Exit   int // of the last step that ran, 128 and the number for a signal, 126 or 127 if a program could not be started, -1 if it did not end by itself

	// Output is what came on stdout and stderr, in the order it came: any bytes. Of more than Limits.Output it is the first three
	// quarters and the last quarter; then Omitted bytes are missing at offset Cut.
	Output  []byte
	Size    int64 // bytes that came altogether
	Cut     int
	Omitted int64

	Took  time.Duration
	Notes []string // what the reader should know of this run: what was undone, what git could not do. See [Probe] for what the machine lacks
}

// Kind is the kind of an [Error], an error itself for use with [errors.Is].
type Kind string

// The kinds.
const (
	BadCommand   Kind = "bad command"   // Command makes no sense
	BadWorkspace Kind = "bad workspace" // the directory cannot be made safe to run commands in
	NoSandbox    Kind = "no sandbox"    // this machine has none that is strong enough
	Broken       Kind = "broken"        // the sandbox failed before the command began
)

func (k Kind) Error() string { return string(k) }

// Error is why nothing was run. Neither text holds anything that a command wrote.
type Error struct {
	Kind    Kind
	Message string
	Hint    string // the way out, for a person
}

func (e *Error) Error() string { return e.Message }

// Is reports whether target is this error's kind.
func (e *Error) Is(target error) bool { return e.Kind == target }

func refusal(kind Kind, hint, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Sandbox runs commands in one workspace. Its methods can be called from many goroutines; commands run side by side.
type Sandbox struct {
	options Options
	tier    Tier
	missing []string // why no stronger tier
	box     box
}

// box is what a tier does.
type box interface {
	// run runs a checked command. The error is an [Error] if nothing of the command has run.
	run(ctx context.Context, cmd Command) (Result, error)
	// version says what runs the commands, and notes what it cannot do.
	version() (name string, notes []string)
}

// New checks the workspace and finds the strongest tier whose parts are there. It starts nothing that stays. It looks through all
// directories of the workspace for repositories, which takes milliseconds, or a second where there are a hundred thousand; so does
// [Sandbox.Run] after a command that may write. Keep a Sandbox for as long as commands run in its workspace. That the tier holds is
// for [Probe] to find out. An [Error] of kind [BadWorkspace] says what is wrong with the options; a machine without any sandbox is
// no error: then the tier is [None].
func New(options Options) (*Sandbox, error) {
	options.Limits = options.Limits.orDefaults()
	if options.Home == "" {
		options.Home, _ = os.UserHomeDir()
	}
	options.Hidden = slices.Clone(options.Hidden)
	for i, hidden := range options.Hidden {
		options.Hidden[i] = realPath(hidden)
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	s := &Sandbox{options: options, tier: None}
	for _, tier := range tiers() {
		box, err := tier.open(options)
		if err == nil {
			s.tier, s.box = tier.tier, box
			break
		}
		s.missing = append(s.missing, err.Error())
	}
	return s, nil
}

// opener makes a box or says what is missing.
type opener struct {
	tier Tier
	open func(Options) (box, error)
}

// Tier is what commands run in.
func (s *Sandbox) Tier() Tier { return s.tier }

// Workspace is the directory that commands run in.
func (s *Sandbox) Workspace() string { return s.options.Workspace }

// Run runs the command and waits until nothing of it is left. A command that fails, or is ended by a limit or by ctx, is a [Result]
// without an error; an [Error] means that nothing of it has run. Any other error means that it may have run and that how it
// ended is not known. Running it again is the caller's to decide; Run never does.
func (s *Sandbox) Run(ctx context.Context, cmd Command) (Result, error) {
	if err := cmd.check(); err != nil {
		return Result{Tier: s.tier}, err
	}
	if s.tier == None || s.tier == Landlock && !cmd.ReadOnly {
		return Result{Tier: s.tier}, refusal(NoSandbox, Install, "nothing is run without a sandbox, and this machine has none that is strong enough: %s", strings.Join(s.missing, "; "))
	}
	if cmd.Time == 0 {
		cmd.Time = s.options.Limits.Time
	}
	if err := ctx.Err(); err != nil {
		return Result{Tier: s.tier}, refusal(Broken, "", "interrupted before it began")
	}
	// The workspace may have been replaced since New.
	if err := s.options.check(); err != nil {
		return Result{Tier: s.tier}, err
	}
	start := time.Now()
	result, err := s.box.run(ctx, cmd)
	result.Tier, result.Took = s.tier, time.Since(start)
	return result, err
}

func (c Command) check() error {
	if len(c.Steps) == 0 {
		return refusal(BadCommand, "", "no command")
	}
	for _, step := range c.Steps {
		if len(step.Stages) == 0 {
			return refusal(BadCommand, "", "a pipeline is empty")
		}
		for _, stage := range step.Stages {
			if err := checkStage(stage); err != nil {
				return err
			}
		}
	}
	if err := checkEnv(c.Env); err != nil {
		return err
	}
	if c.Dir != "" && !filepath.IsLocal(filepath.FromSlash(c.Dir)) {
		return refusal(BadCommand, "", "the directory is not in the workspace")
	}
	if c.Time < 0 {
		return refusal(BadCommand, "", "the time limit is negative")
	}
	return nil
}

func checkStage(stage Stage) error {
	if len(stage.Argv) == 0 || stage.Argv[0] == "" {
		return refusal(BadCommand, "", "a stage of the pipeline is empty")
	}
	if slices.ContainsFunc(stage.Argv, func(arg string) bool { return strings.ContainsRune(arg, 0) }) {
		return refusal(BadCommand, "", "an argument holds a zero byte")
	}
	if stage.Dir != "" && !filepath.IsLocal(filepath.FromSlash(stage.Dir)) {
		return refusal(BadCommand, "", "the directory is not in the workspace")
	}
	for _, r := range stage.Redirects {
		if !slices.Contains([]string{"<", ">", ">>", ">&"}, r.Op) || r.FD < 0 || r.FD > 9 || r.From < 0 || r.From > 9 || strings.ContainsRune(r.Path, 0) || (r.Path == "") != (r.Op == ">&") {
			return refusal(BadCommand, "", "a redirect makes no sense")
		}
	}
	return checkEnv(stage.Env)
}

func checkEnv(env []string) error {
	for _, v := range env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" || strings.ContainsRune(v, 0) {
			return refusal(BadCommand, "", "a variable is not of the form NAME=value")
		}
	}
	return nil
}

func (l Limits) orDefaults() Limits {
	orDefault(&l.Time, Defaults.Time)
	orDefault(&l.Output, Defaults.Output)
	orDefault(&l.FileBytes, Defaults.FileBytes)
	orDefault(&l.TempBytes, Defaults.TempBytes)
	orDefault(&l.FreeBytes, Defaults.FreeBytes)
	orDefault(&l.MemoryBytes, Defaults.MemoryBytes)
	orDefault(&l.Processes, Defaults.Processes)
	orDefault(&l.OpenFiles, Defaults.OpenFiles)
	return l
}

func orDefault[T comparable](field *T, value T) {
	if zero := *new(T); *field == zero {
		*field = value
	}
}
