package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
	"agentbridge/internal/daemon"
)

// What a fault of a client's means: nothing there hears, or something is there and nothing wakes it.
const (
	noListener = "no listener"
	deafness   = "listener deaf"
)

// clientTime is how long one client's installation may take in all, and a program of it to say its version.
const (
	clientTime  = 10 * time.Second
	versionTime = 3 * time.Second
)

// patient is one client's installation under examination.
type patient struct {
	clients.Installation
	p    *program
	d    *diagnosis
	conf *config // what is in force here
	what string  // client claude, user

	path       string // of its command
	environ    []string
	flags      map[string]string
	as, server string
	bears      string    // the agent whose token the client gives its server; empty: none, or it is not known here
	running    *exec.Cmd // the server; what it left behind is ended with it
}

// examineClients looks at every client that is set up on this machine, and tries each as it is.
func (p *program) examineClients(ctx context.Context, conf *config, d *diagnosis) {
	dir, err := os.Getwd()
	if err != nil {
		d.bad("clients", bridge.Errorf(bridge.Invalid, "find working directory: %w", err).WithHint("run it in a directory that exists"))
		return
	}
	home := os.Getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	found, faults := clients.Find(home, dir, os.Getenv)
	for _, err := range faults {
		d.bad("clients", err)
	}
	for _, c := range clients.Unconfigured(home, dir, os.Getenv, found) {
		d.good("client "+c.Name, "%s: it is on this machine, and no agentbridge is in its settings; agentbridge install %s puts it there", noListener, c.Name)
	}
	if len(found) == 0 {
		d.good("clients", "none is set up with agentbridge, neither for you nor in %s; agentbridge install --all does it", dir)
		return
	}
	trial, err := p.trialStore(ctx, conf)
	if err != nil {
		d.bad("clients", err)
		return
	}
	defer trial.close()
	for _, inst := range found {
		pt := &patient{Installation: inst, p: p, d: d, conf: conf, what: "client " + inst.Client + ", " + string(inst.Scope)}
		within, cancel := context.WithTimeout(ctx, clientTime)
		if pt.command(within) && pt.sameStore() {
			pt.trip(within, trial, dir, inst.HooksOff(home, dir, os.Getenv))
		}
		cancel()
	}
}

// refuse notes a fault of a client's.
func (pt *patient) refuse(kind, what string, err *bridge.Error) {
	pt.d.Findings = append(pt.d.Findings, finding{What: pt.what + what, Kind: kind, Says: kind + ": " + masked(err.Message), Hint: err.Hint})
}

// again is what puts a right installation into the client's settings, for the same agent and the same store.
func (pt *patient) again() string {
	var line strings.Builder
	line.WriteString("agentbridge install " + pt.Client + " --scope " + string(pt.Scope))
	store := pt.flags["store"]
	if theirs := (&config{Store: store}); theirs.onPostgres() {
		store = theirs.storeName() // without a password
	}
	for _, flag := range [][2]string{{"as", pt.as}, {"data", pt.flags["data"]}, {"store", store}, {"config", pt.flags["config"]}} {
		if flag[1] != "" {
			line.WriteString(" --" + flag[0] + " " + quoted(flag[1]))
		}
	}
	return line.String()
}

// command looks whether the command of the server can be started, and is this agentbridge.
func (pt *patient) command(ctx context.Context) bool {
	if pt.File == "" {
		pt.refuse(noListener, "", bridge.Errorf(bridge.NotFound, "its hooks are in %s, and no server is in its settings", pt.Hooks[0].File).WithHint("%s", pt.again()))
		return false
	}
	pt.environ = pt.Environ(os.Environ())
	var err error
	if pt.path, err = lookPath(pt.Command, variableOf(pt.environ, "PATH")); err != nil {
		hint := pt.again()
		if errors.Is(err, fs.ErrPermission) {
			hint = "chmod u+x " + pt.Command
		}
		pt.refuse(noListener, "", bridge.Errorf(bridge.NotFound, "the command %s in %s cannot be started: %w", pt.Command, pt.File, err).WithHint("%s", hint))
		return false
	}
	pt.read()
	within, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	cmd := daemon.Program(within, pt.path, "version", "--json")
	cmd.Env, cmd.WaitDelay = pt.environ, time.Second
	var v built
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(bytes.TrimSpace(out), &v)
	}
	switch mine := build(); {
	case err != nil:
		pt.refuse(noListener, "", bridge.Errorf(bridge.Invalid, "%s in %s does not answer as agentbridge does: %w", pt.path, pt.File, err).WithHint("%s", pt.again()))
		return false
	case v.Version != mine.Version || v.Revision != mine.Revision:
		pt.d.bad(pt.what, bridge.Errorf(bridge.Invalid, "%s is agentbridge %s, and this is %s", pt.path, named(v), named(mine)).
			WithHint("%s, or put the one that you want first on PATH", pt.again()))
	}
	return true
}

func named(b built) string {
	if b.Revision == "" {
		return b.Version
	}
	return b.Version + " " + b.Revision[:min(12, len(b.Revision))]
}

// lookPath finds a command as a client does: by the PATH that it hands on.
func lookPath(command, path string) (string, error) {
	if strings.ContainsRune(command, filepath.Separator) {
		return exec.LookPath(command)
	}
	for _, dir := range filepath.SplitList(path) {
		if found, err := exec.LookPath(filepath.Join(dir, command)); err == nil && filepath.IsAbs(found) {
			return found, nil
		}
	}
	return "", exec.ErrNotFound
}

// variableOf is the last value of a variable in an environment.
func variableOf(environ []string, name string) (value string) {
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// read takes from the arguments of the server what settles whom it serves.
func (pt *patient) read() {
	var data, store, conf string
	f := pflag.NewFlagSet("mcp", pflag.ContinueOnError)
	f.ParseErrorsAllowlist.UnknownFlags = true
	f.StringVar(&data, "data", "", "")
	f.StringVar(&store, "store", "", "")
	f.StringVar(&conf, "config", "", "")
	f.StringVar(&pt.as, "as", "", "")
	f.StringVar(&pt.server, "server", "", "")
	_ = f.Parse(pt.Args) // what it cannot read, the command refuses when it is started
	pt.flags = map[string]string{}
	for key, value := range map[string]string{"data": data, "store": store, "config": conf} {
		if value != "" {
			pt.flags[key] = value
		}
	}
}

// sameStore reports whether the client's server would open the store that is in force here.
func (pt *patient) sameStore() bool {
	if pt.server != "" {
		return true
	}
	theirs, err := loadConfig(pt.flags, func(name string) string { return variableOf(pt.environ, name) })
	if err != nil {
		pt.refuse(noListener, "", bridge.Errorf(bridge.Invalid, "its server refuses its settings: %w", err).WithHint("correct them in %s", pt.File))
		return false
	}
	mine, path := pt.conf.storeName(), theirs.storeName()
	if path == mine && theirs.Data == pt.conf.Data {
		return true
	}
	pt.refuse(deafness, "", bridge.Errorf(bridge.Invalid, "its server opens the store %s, and here it is %s", path, mine).
		WithHint("put \"--data\", %q before \"mcp\" into its args in %s, or run the shell's commands with --data %s", pt.conf.Data, pt.File, theirs.Data))
	return false
}
