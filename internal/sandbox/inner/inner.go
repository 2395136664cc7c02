// Package inner is the step between the walls of a sandbox and the command in it: this same program, started once more inside the
// walls, gives up for good what the command must not have, then becomes the command.
//
// A program that imports this package is that step when it is started with [Name] as its only argument; see early.go. What to give
// up comes as a [Spec] on a file descriptor, and nothing of it can be said by hand: without the descriptors the step ends at once.
package inner

// Name is the hidden argument that makes a program the inner step.
const Name = "sandbox-inner"

// Trial is the hidden argument that makes a program try to break out, as told by the arguments after it; see [Try].
const Trial = "sandbox-trial"

// The descriptors that the step is started with, besides stdin, stdout and stderr.
const (
	SpecFD   = 4 // JSON of a Spec, up to the end of the pipe
	StatusFD = 5 // where the step says how it went; see Ready and Failed
	SelfFD   = 7 // this program, opened for reading
)

// What the step writes to [StatusFD]. Ready comes when everything is given up and the command is about to start, so a status
// without it means that nothing of the command has run. Failed is followed by the reason, up to the end of the pipe.
const (
	Ready  = 'r'
	Failed = 'e'
)

// When says whether a step runs, given the exit status of the last one that ran.
type When string

// The conditions.
const (
	Always   When = ""       // first, or after ;
	IfOK     When = "ok"     // after &&
	IfFailed When = "failed" // after ||
)

// Step is a pipeline: each stage's stdout is the next one's stdin. Its exit status is that of the last.
type Step struct {
	When   When
	Stages []Stage
}

// Stage is one program. The first of all may be [Trial], which is this program itself.
type Stage struct {
	Argv      []string
	Env       []string   // NAME=value, added to the command's
	Dir       string     // relative to the command's; empty for that itself
	Redirects []Redirect // done in their order, after the pipe's
}

// Redirect changes where one descriptor of a stage goes.
type Redirect struct {
	FD   int    // 0 to 9
	Op   string // "<", ">" or ">>" with Path, or ">&" with From
	Path string // relative to the stage's directory
	From int    // the descriptor that FD becomes a copy of
}

// Spec says what the command is and what it may do.
type Spec struct {
	Steps []Step   // one after the other
	Env   []string // the whole environment, as NAME=value
	Dir   string   // the working directory, absolute

	Read    []string // files beneath these may be read and executed
	Write   []string // files beneath these may be made, changed, renamed and removed, too
	Devices []string // may be read, written and given orders (ioctl)
	Inherit bool     // TCP is left to the network namespace instead of being refused
	Unix    bool     // sockets of the Unix family may be made
	Inet    bool     // sockets of the internet families may be made

	// Limits, each for one process where nothing else is said; zero leaves what is inherited.
	FileBytes   uint64 // of one file
	MemoryBytes uint64 // of private memory
	Processes   uint64 // processes and threads, of all in this sandbox together
	OpenFiles   uint64
}

// Targets are what a trial goes for. Who starts it puts them there, so that a failure to reach them is the sandbox's doing.
type Targets struct {
	Secret    string // a file that must not be read
	Hidden    string // a directory of which nothing may be seen
	Outside   string // a directory in which nothing may be made
	Variable  string // of the environment, which must be empty
	TCP       int    // a port of the machine's loopback address
	Unix      string // a socket's path
	Abstract  string // the name of an abstract socket
	Workspace string // with .git, and the only place that may be written
	FileBytes uint64 // how large a file may grow
	ReadOnly  bool   // nothing may be written at all
}

// Check is the outcome of one attempt: whether the wall held, and if not, what happened.
type Check struct {
	Name   string `json:"name"`
	Held   bool   `json:"held"`
	Detail string `json:"detail,omitempty"`
}
