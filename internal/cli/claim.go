package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"agentbridge/internal/bridge"
)

// claim authenticates an `mcp` process and locks its name for as long as the process lives. Without a name it takes that of the
// working directory, and the first of NAME-2, NAME-3, … that no live process holds.
func (p *program) claim(ctx context.Context, o *opened) (bridge.Caller, error) {
	if token := os.Getenv(tokenVariable); token != "" {
		return p.byVariable(ctx, o, token)
	}
	if p.as != "" {
		if err := checkFileName(p.as); err != nil {
			return bridge.Caller{}, err
		}
		if o.svc.Redact(p.as) != p.as {
			return bridge.Caller{}, bridge.Errorf(bridge.Invalid, "the agent's name looks like a secret").WithHint("choose a name that is not a token or key")
		}
		// Who says the name shares it. That somebody holds it is all that others need to know.
		o.hold(p.as, false)
		return o.local(ctx, p.as)
	}
	dir, err := os.Getwd()
	if err != nil {
		return bridge.Caller{}, bridge.Errorf(bridge.Invalid, "find working directory: %w", err).WithHint("give a name with --as NAME")
	}
	name := agentName(filepath.Base(dir))
	if o.svc.Redact(name) != name {
		name = unnamed
	}
	name, err = o.freeName(ctx, name)
	if err != nil {
		return bridge.Caller{}, err
	}
	return o.local(ctx, name)
}

// freeName takes the first of NAME, NAME-2, … that no live process holds.
func (o *opened) freeName(ctx context.Context, base string) (string, error) {
	release, err := lockFile(ctx, filepath.Join(o.conf.Data, agentsDir, making))
	if err != nil {
		return "", err
	}
	defer release()
	for n := 1; ; n++ {
		name := numbered(base, n)
		if held, err := o.hold(name, true); err != nil || held {
			return name, err
		}
	}
}

// numbered is the name that the nth agent of a directory has.
func numbered(base string, n int) string {
	if n == 1 {
		return base
	}
	suffix := "-" + strconv.Itoa(n)
	return base[:min(len(base), maxName-len(suffix))] + suffix
}

// hold locks a name for the life of this process, shared with others that hold it, and reports whether it could. Alone, it could
// only if nobody else held it.
func (o *opened) hold(name string, alone bool) (bool, error) {
	// Never unlinked: two processes would lock two files of one name.
	f, err := os.OpenFile(filepath.Join(o.conf.Data, agentsDir, name+lockSuffix), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, bridge.Errorf(bridge.Invalid, "lock agent name: %w", err).WithHint("the data directory must be writable; choose another with --data DIR")
	}
	if alone {
		if !tryLock(f, true) {
			return false, f.Close()
		}
		unlock(f)
	}
	if !tryLock(f, false) {
		return false, f.Close()
	}
	o.names = append(o.names, f)
	return true, nil
}

// unnamed is an agent that its directory gives no name.
const unnamed = "agent"

// agentName makes a name of a directory's.
func agentName(dir string) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(nameAlphabet, r) {
			return r
		}
		return '-'
	}, dir)
	name = strings.Trim(name[:min(len(name), maxName)], ".-")
	if name == "" || slices.Contains([]string{bridge.PersonName, bridge.ProgramName}, name) {
		return unnamed
	}
	return name
}
