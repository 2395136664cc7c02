// Package policy decides whether a command may run, from its parsed text and tables of what programs may be told.
//
// A command is read the way bash reads it and comes out as lists of arguments that need no shell; what would need one is refused.
// Nothing is matched against the text. In safe mode a flag is refused unless its table names it, so a flag that nobody thought
// of cannot slip through. The tables are in the directory tables, as people read them; [Options] takes more.
package policy

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxBytes is the longest command that is read.
const MaxBytes = 16 << 10

// Mode is how much commands may do.
type Mode int

// The modes, each taking all that the ones before it take.
const (
	Safe       Mode = iota + 1 // reads the workspace: writes nothing and runs nothing of it
	Restricted                 // builds, tests, git: may run what is in the workspace, so it needs the sandbox
	Yolo                       // a shell: whatever bash understands, in the sandbox
)

var modeNames = []string{Safe: "safe", Restricted: "restricted", Yolo: "yolo"}

func (m Mode) String() string {
	if m < Safe || m > Yolo {
		return fmt.Sprintf("Mode(%d)", int(m))
	}
	return modeNames[m]
}

// ParseMode reads a mode's name.
func ParseMode(name string) (Mode, error) {
	if m := slices.Index(modeNames, name); m > 0 {
		return Mode(m), nil
	}
	return 0, fmt.Errorf("there is no mode %q: safe, restricted and yolo are", name)
}

// MarshalText gives the mode's name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mode's name.
func (m *Mode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMode(string(text))
	return err
}

// Verdict is what becomes of a command.
type Verdict string

// The verdicts. A person approves each command, whatever the verdict is; without one, only what safe mode allows may ever run.
const (
	Allow Verdict = "allow" // it fits the mode
	Ask   Verdict = "ask"   // it fits only if a person says so, knowing the reason
	Deny  Verdict = "deny"  // it does not fit
)

// A Decision says what becomes of a command, and what would be executed.
type Decision struct {
	Verdict Verdict `json:"decision"`
	Mode    Mode    `json:"mode"`
	Reason  string  `json:"reason"`
	Hint    string  `json:"hint,omitempty"` // of a refusal: the way out

	// Steps are to be executed in their order, without a shell. None where the verdict is Deny.
	Steps []Step `json:"steps,omitempty"`
	// Script, in yolo mode in place of Steps, is for bash -c.
	Script string `json:"script,omitempty"`
}

// Options say what a policy is for and what it takes besides its tables.
type Options struct {
	// Workspace is the absolute path of the directory that commands run in; empty if it is not known. Paths below it may be
	// written out. Others that begin with a slash are outside.
	Workspace string
	Allow     []Rule // tried before the built-in ones
	Deny      []Refusal
}

// A Policy decides. Any number of goroutines may use it at once.
type Policy struct {
	tables    *tables
	workspace string
}

// New makes a policy. It refuses rules that are not valid, and says which.
func New(opts Options) (*Policy, error) {
	t, err := builtin()
	if err != nil {
		return nil, err
	}
	if len(opts.Allow)+len(opts.Deny) > 0 {
		if t, err = t.with(opts.Allow, opts.Deny); err != nil {
			return nil, err
		}
	}
	return &Policy{tables: t, workspace: opts.Workspace}, nil
}

// Decide judges a command by its text alone. A pattern such as *.go stays as it is in Steps, and its index is in Patterns.
func (p *Policy) Decide(mode Mode, command string) Decision { return p.decide(mode, command, nil) }

// DecideIn judges a command in a workspace, opened with [os.Root.FS] so that no link leads out of it. Beyond what Decide does, it puts
// in what patterns match and judges that, refuses paths that lead out through a link, and in safe mode refuses git where the
// repository's configuration names programs that git would run. Whoever runs the command calls it right before: what it saw
// can change, and then only the sandbox holds.
func (p *Policy) DecideIn(mode Mode, command string, workspace fs.FS) Decision {
	return p.decide(mode, command, workspace)
}

func (p *Policy) decide(mode Mode, command string, workspace fs.FS) Decision {
	d := p.decision(mode, command, workspace)
	d.Reason, d.Hint = line(d.Reason), line(d.Hint)
	return d
}

// longestReason is how much of a reason is told, in characters.
const longestReason = 500

// line shows a text as one line: what commands and names of files bring into a reason cannot pass for another line of who shows it.
func line(text string) string {
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(text) <= longestReason && !strings.ContainsFunc(text, unseen) {
		return text
	}
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > longestReason {
			return b.String() + "…"
		}
		if unseen(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (p *Policy) decision(mode Mode, command string, workspace fs.FS) Decision {
	if err := readable(command); err != nil {
		return denied(mode, err)
	}
	file, err := parse(command)
	if err != nil {
		return denied(mode, err)
	}
	switch mode {
	case Safe, Restricted:
		return p.judge(mode, command, file, workspace)
	case Yolo:
		d := p.judge(Restricted, command, file, workspace)
		told := "a shell runs this as it stands; restricted mode would take it, too: " + d.Reason
		switch d.Verdict {
		case Ask:
			told = "a shell runs this as it stands; restricted mode would ask: " + d.Reason
		case Deny:
			told = "a shell runs this as it stands; restricted mode would refuse it: " + d.Reason
		}
		return Decision{Verdict: Allow, Mode: mode, Reason: told, Script: command}
	}
	return denied(mode, refuse("there is no such mode", "safe, restricted and yolo are"))
}

// refusal is why a command does not fit, and the way out.
type refusal struct{ reason, hint string }

func (r *refusal) Error() string { return r.reason }

func refuse(reason, hint string, args ...any) *refusal {
	return &refusal{fmt.Sprintf(reason, args...), hint}
}

func denied(mode Mode, err error) Decision {
	d := Decision{Verdict: Deny, Mode: mode, Reason: err.Error()}
	if r, ok := err.(*refusal); ok {
		d.Hint = r.hint
	}
	return d
}

// readable refuses text that a person who approves it cannot see as it is. It holds in every mode.
func readable(command string) error {
	if len(command) > MaxBytes {
		return refuse("a command longer than %d bytes is not read", "put it into a script in the workspace", MaxBytes)
	}
	if strings.TrimSpace(command) == "" {
		return refuse("there is no command", "say what to run")
	}
	if !utf8.ValidString(command) {
		return refuse("the command is not valid UTF-8", "write it in plain text")
	}
	for _, r := range command {
		if r == '\n' || r == '\t' || r >= ' ' && r < 0x7f {
			continue
		}
		if r < 0x80 || !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Mn, r) && r >= 0xfe00 || invisible(r) {
			return refuse("the command holds %U, which nobody sees", "leave it out, or write it as an escape", r)
		}
	}
	return nil
}

// invisible are letters and symbols, as Unicode has it, that show nothing.
func invisible(r rune) bool {
	switch r {
	case 0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2800, 0x3164, 0xffa0:
		return true
	}
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r)
}
