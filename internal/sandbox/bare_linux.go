//go:build amd64 || arm64

package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"agentbridge/internal/sandbox/inner"
)

// bare runs commands that only read, without namespaces: the inner step alone. A process that such a command leaves behind in a
// session of its own would stay; the programs that policy allows in safe mode make none.
type bare struct {
	options Options
	self    *os.File
	read    []string
}

func openBare(o Options) (box, error) {
	if version := inner.Landlock(); version < inner.MinLandlock {
		return nil, fmt.Errorf("the kernel has Landlock %d, needed is %d (Linux 5.19)", version, inner.MinLandlock)
	}
	b := &bare{options: o}
	for _, path := range append(append(slices.Clone(system), o.ReadOnly...), o.Workspace) {
		if !exists(path) {
			continue
		}
		path = realPath(path)
		b.read = append(b.read, path)
		for _, hidden := range o.Hidden {
			if within(hidden, path) {
				return nil, fmt.Errorf("%s cannot be hidden within %s without bubblewrap", hidden, path)
			}
		}
	}
	var err error
	if b.self, err = os.Open("/proc/self/exe"); err != nil {
		return nil, fmt.Errorf("this program cannot open itself: %s", cause(err))
	}
	return b, nil
}

func (b *bare) version() (string, []string) {
	return fmt.Sprintf("Landlock %d, seccomp", inner.Landlock()), []string{
		"only commands that change nothing are run", "other processes can be seen in outline, and one that leaves its session outlives the command",
	}
}

func (b *bare) run(ctx context.Context, cmd Command) (Result, error) {
	if cmd.Network {
		return Result{}, refusal(NoSandbox, Install, "without bubblewrap no command gets the network")
	}
	limits := b.options.Limits
	spec := inner.Spec{
		Steps: cmd.Steps, Dir: filepath.Join(b.options.Workspace, filepath.FromSlash(cmd.Dir)),
		Env:  environment(cmd, "/usr/local/bin:/usr/bin:/bin", "/nonexistent"),
		Read: b.read, Devices: []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"},
		FileBytes: limits.FileBytes, MemoryBytes: limits.MemoryBytes, OpenFiles: limits.OpenFiles,
	}
	if !strings.HasPrefix(spec.Dir, b.options.Workspace) {
		return Result{}, refusal(BadCommand, "", "the directory is not in the workspace")
	}
	r := &running{path: "/proc/self/exe", args: []string{inner.Name}, bare: true, self: b.self, workspace: b.options.Workspace, limits: limits}
	return r.run(ctx, cmd, spec)
}
