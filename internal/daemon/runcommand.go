package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
	"agentbridge/internal/sandbox"
	"agentbridge/internal/snapshot"
)

// run runs a command that has been begun. Whatever happens, the result says so.
func (r *Runner) run(ctx context.Context, box *sandbox.Sandbox, c bridge.Command) bridge.CommandResult {
	// The outcome is in the bridge's words alone, because a notice tells it bare. The detail may name files, so it is shown as output is: anybody's words.
	not := func(detail, outcome string) bridge.CommandResult {
		return bridge.CommandResult{Exit: -1, Outcome: "not run: " + outcome, Output: detail, Size: int64(len(detail))}
	}
	decision, err := r.decide(c)
	switch {
	case err != nil:
		return not(err.Error(), "the policy could not look at the workspace")
	case decision.Verdict == policy.Deny:
		return not(decision.Reason, fmt.Sprintf("as the workspace is now, %s mode refuses it", c.Mode))
	case decision.Verdict == policy.Ask && c.Verdict != policy.Ask:
		return not(decision.Reason, fmt.Sprintf("as the workspace is now, %s mode asks a person whether they know what it does, and nobody was told", c.Mode))
	}
	var notes []string
	if c.Mode != policy.Safe {
		note, err := r.snapshot(ctx, c)
		if err != nil {
			return not(err.Error(), "no snapshot could be taken before it")
		}
		notes = append(notes, note)
	}
	r.Log.Info("run a command", "command", string(c.ID), "conversation", string(c.Conversation), "mode", c.Mode.String(), "workspace", c.Workspace, "network", c.Network)
	res, err := box.Run(ctx, sandbox.Command{Steps: steps(decision), ReadOnly: c.Mode == policy.Safe, Network: c.Network})
	if e, ok := errors.AsType[*sandbox.Error](err); ok {
		return not(e.Message, "the sandbox refuses it")
	}
	if err != nil {
		return bridge.CommandResult{Exit: -1, Outcome: "the sandbox failed, and how far it came is not known", Output: err.Error(), Size: int64(len(err.Error()))}
	}
	out := bridge.CommandResult{Exit: res.Exit, Size: res.Size, Cut: res.Omitted > 0}
	if res.Ending != sandbox.Exited {
		out.Exit, out.Outcome = -1, string(res.Ending)
	}
	out.Output = text(res, append(notes, res.Notes...))
	r.Log.Info("a command has ended", "command", string(c.ID), "exit", out.Exit, "outcome", out.Outcome, "bytes", res.Size, "took", res.Took)
	return out
}

// decide asks the policy once more, about the workspace as it is now.
func (r *Runner) decide(c bridge.Command) (none policy.Decision, err error) {
	rules := r.Policy
	rules.Workspace = filepath.ToSlash(c.Workspace)
	judge, err := policy.New(rules)
	if err != nil {
		return none, err
	}
	root, err := os.OpenRoot(c.Workspace)
	if err != nil {
		return none, err
	}
	defer root.Close()
	return judge.DecideIn(c.Mode, c.Text, root.FS()), nil
}

// snapshot keeps what the workspace holds, and notes where. A workspace that git knows nothing of has none, which the note says.
func (r *Runner) snapshot(ctx context.Context, c bridge.Command) (note string, err error) {
	keeper, err := snapshot.Open(ctx, snapshot.Options{Dir: c.Workspace, Store: r.Snapshots(c.Workspace)})
	if errors.Is(err, snapshot.NoWorkTree) {
		return "no snapshot was taken before it: the workspace is in no git work tree", nil
	}
	if err != nil {
		return "", err
	}
	taken, err := keeper.Take(ctx, string(c.ID))
	if err != nil {
		return "", err
	}
	if _, err := keeper.Prune(ctx, snapshotsKept); err != nil {
		r.Log.Warn("remove old snapshots", "error", err)
	}
	return strings.Join(append([]string{fmt.Sprintf("snapshot %s of %d files was taken before it", taken.ID, taken.Files)}, taken.Notes...), "; "), nil
}

// snapshotsKept is how many snapshots of a workspace are kept.
const snapshotsKept = 100

// steps are what is to be executed, in the sandbox's words.
func steps(d policy.Decision) (list []sandbox.Step) {
	if d.Script != "" {
		return sandbox.Pipe(sandbox.Shell(d.Script))
	}
	for _, step := range d.Steps {
		next := sandbox.Step{When: sandbox.When(step.When)}
		for _, c := range step.Commands {
			stage := sandbox.Stage{Argv: c.Argv, Env: c.Env, Dir: filepath.FromSlash(c.Dir)}
			for _, redirect := range c.Redirects {
				stage.Redirects = append(stage.Redirects, sandbox.Redirect{FD: redirect.FD, Op: redirect.Op, Path: redirect.Path, From: redirect.From})
			}
			next.Stages = append(next.Stages, stage)
		}
		list = append(list, next)
	}
	return list
}

// wholeLines leaves out what is cut of a line, or the ends of a very long one: half a secret is none that redaction would know.
func wholeLines(head, tail []byte) (_, _ []byte) {
	if i := bytes.LastIndexByte(head, '\n'); i >= len(head)-longLine {
		head = head[:i+1]
	} else {
		head = head[:max(0, len(head)-longLine)]
	}
	if i := bytes.IndexByte(tail, '\n'); i >= 0 && i < longLine {
		tail = tail[i+1:]
	} else {
		tail = tail[min(len(tail), longLine):]
	}
	return head, tail
}

const longLine = 2048

// text is a command's output as it is kept: what is missing in it, and what is noted about the run, is said in lines of their own.
func text(res sandbox.Result, notes []string) string {
	output := string(res.Output)
	if res.Omitted > 0 {
		head, tail := wholeLines(res.Output[:res.Cut], res.Output[res.Cut:])
		left := res.Omitted + int64(len(res.Output)-len(head)-len(tail))
		output = fmt.Sprintf("%s\n[… %d bytes left out …]\n%s", bytes.TrimSuffix(head, []byte("\n")), left, tail)
	}
	for _, note := range slices.DeleteFunc(notes, func(n string) bool { return n == "" }) {
		if output != "" && !strings.HasSuffix(output, "\n") {
			output += "\n"
		}
		output += "[agentbridge: " + note + "]\n"
	}
	return output
}
