//go:build amd64 || arm64

package sandbox

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/sandbox/inner"
)

// bubblewrap runs commands in namespaces of their own.
type bubblewrap struct {
	options  Options
	nested   *nested
	settings *gitSettings
	program  string
	self     *os.File // this program, opened at the start: an update may replace the file
	fixed    []string // the arguments that are the same for every command
	visible  []string // what can be read besides the workspace
	path     string   // PATH
	home     string
	cgroup   string // delegated, or empty
	lacking  string // why no cgroup

	accounts []account
}

// system are the directories of the machine that a command sees, where they exist. Each costs a tenth of a millisecond and more.
var system = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew",
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates/extracted",
}

// account is a file of /etc that says who and where one is.
type account struct{ path, text string }

// accounts are what a command sees instead of the machine's own, which name its users and its network.
func accounts(uid, gid int, home string) []account {
	return []account{
		{"/etc/passwd", fmt.Sprintf("sandbox:x:%d:%d::%s:/bin/sh\n", uid, gid, home)},
		{"/etc/group", fmt.Sprintf("sandbox:x:%d:\n", gid)},
		{"/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"},
		{"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
	}
}

// toolchains are what package managers keep in a home: programs and packages, no accounts. A command sees them where they exist.
var toolchains = []string{
	"go/pkg/mod", "go/bin", "sdk", ".cargo/bin", ".cargo/registry", ".cargo/git", ".rustup/toolchains", ".nvm/versions", ".volta/tools", ".fnm",
	".pyenv/versions", ".local/share/uv/python", ".local/share/mise/installs", ".asdf/installs", ".sdkman/candidates", ".m2/repository",
	".gradle/caches/modules-2", ".gradle/wrapper/dists", ".rbenv/versions", ".bun/bin", ".deno/bin",
}

func openBubblewrap(o Options) (box, error) {
	program, err := exec.LookPath("bwrap")
	if err != nil {
		return nil, fmt.Errorf("bubblewrap (bwrap) is not installed")
	}
	if version := inner.Landlock(); version < inner.MinLandlock {
		return nil, fmt.Errorf("the kernel has Landlock %d, needed is %d (Linux 5.19)", version, inner.MinLandlock)
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("this program cannot open itself: %s", cause(err))
	}
	b := &bubblewrap{options: o, nested: newNested(o.Workspace), settings: &gitSettings{root: o.Workspace}, program: program, self: self}
	b.cgroup, b.lacking = findCgroup(o.Cgroup)
	b.compose()
	return b, nil
}

func (b *bubblewrap) version() (string, []string) {
	name := "bubblewrap"
	if out, err := exec.Command(b.program, "--version").Output(); err == nil {
		name = strings.TrimSpace(string(out))
	}
	return fmt.Sprintf("%s, Landlock %d, seccomp", name, inner.Landlock()), b.notes()
}

// notes are the limits that are not there.
func (b *bubblewrap) notes() (notes []string) {
	if b.cgroup == "" {
		notes = append(notes, "memory is limited for each process, not for all together: "+b.lacking)
		if os.Getuid() == 0 {
			notes = append(notes, "the number of processes is not limited, because this is root: run as an ordinary user")
		}
	}
	return notes
}

// compose makes the arguments that do not depend on the command.
func (b *bubblewrap) compose() {
	arg := func(args ...string) { b.fixed = append(b.fixed, args...) }
	temp := strconv.FormatUint(b.options.Limits.TempBytes, 10)
	arg("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try",
		"--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox", "--info-fd", "6")
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 65534, 65534 // programs would believe to be what they seem
		arg("--uid", "65534", "--gid", "65534")
	}
	for _, path := range system {
		target, err := os.Readlink(path)
		switch {
		case err == nil && filepath.Dir(path) == "/":
			arg("--symlink", target, path)
		case exists(path):
			arg("--ro-bind", path, path)
		}
	}
	arg("--proc", "/proc", "--dev", "/dev", "--size", temp, "--tmpfs", "/dev/shm", "--size", temp, "--tmpfs", "/tmp")
	b.home = realPath(b.options.Home)
	if info, err := os.Stat(b.home); b.options.Home == "" || err != nil || !info.IsDir() || b.home == "/" || within(b.home, "/usr") || within(b.home, "/dev") {
		b.home = "/home/sandbox"
	}
	arg("--perms", "0700", "--size", temp, "--tmpfs", b.home)
	b.accounts = accounts(uid, gid, b.home)
	b.visible = []string{"/usr", "/bin", "/sbin", "/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew"}
	see := func(path string) {
		if exists(path) {
			arg("--ro-bind", path, path)
			b.visible = append(b.visible, path)
		}
	}
	for _, name := range toolchains {
		see(filepath.Join(b.home, name))
	}
	for _, path := range b.options.ReadOnly {
		see(realPath(path))
	}
	if b.options.Cache != "" {
		arg("--bind", realPath(b.options.Cache), filepath.Join(b.home, ".cache"))
	}
	path := []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
	own := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		return slices.Contains(path, dir) || !filepath.IsAbs(dir) || !slices.ContainsFunc(b.visible, func(v string) bool { return within(dir, v) })
	})
	if exists("/usr/local/go/bin") && !slices.Contains(own, "/usr/local/go/bin") {
		own = append(own, "/usr/local/go/bin")
	}
	b.path = strings.Join(append(own, path...), ":")
}

// arguments are those of one command.
func (b *bubblewrap) arguments(cmd Command, g *guard) []string {
	args := slices.Clone(b.fixed)
	arg := func(more ...string) { args = append(args, more...) }
	if cmd.Network {
		if real := realPath("/etc/resolv.conf"); exists(real) {
			arg("--ro-bind", real, "/etc/resolv.conf")
		}
	} else {
		arg("--unshare-net")
	}
	for i, account := range b.accounts {
		arg("--perms", "0444", "--file", strconv.Itoa(firstFile+i), account.path)
	}
	root := b.options.Workspace
	if cmd.ReadOnly {
		arg("--ro-bind", root, root)
	} else {
		arg("--bind", root, root)
		for _, path := range g.pinned {
			if within(path, root) {
				arg("--bind", path, path)
			}
		}
		frozen := slices.Clone(g.frozen)
		// What is writable in something read-only comes after it.
		for i, extra := range g.extra {
			arg("--bind", extra, extra)
			frozen = slices.DeleteFunc(frozen, func(path string) bool {
				last := i == len(g.extra)-1 || !within(path, g.extra[i+1])
				if within(path, extra) && last {
					arg("--ro-bind", path, path)
					return true
				}
				return false
			})
		}
		for _, path := range frozen {
			arg("--ro-bind", path, path)
		}
		for _, path := range g.empty {
			arg("--perms", "0555", "--size", "4096", "--tmpfs", path) // a third of the time of a bind
		}
	}
	for _, hidden := range b.options.Hidden {
		if exists(hidden) && (within(hidden, root) || slices.ContainsFunc(b.visible, func(dir string) bool { return within(hidden, dir) })) {
			arg("--perms", "0500", "--size", "4096", "--tmpfs", hidden, "--remount-ro", hidden)
		}
	}
	arg("--remount-ro", "/", "--chdir", "/")
	return args
}

// spec is what the inner step is told.
func (b *bubblewrap) spec(cmd Command, g *guard) inner.Spec {
	root, limits := b.options.Workspace, b.options.Limits
	spec := inner.Spec{
		Steps: cmd.Steps, Dir: filepath.Join(root, filepath.FromSlash(cmd.Dir)),
		Env:     environment(cmd, b.path, b.home),
		Read:    []string{"/"}, // the mounts say what there is to read
		Write:   []string{"/tmp", "/dev/shm", b.home},
		Devices: []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts", "/dev/ptmx"},
		Inherit: true, Inet: true,
		// With the machine's network come its abstract sockets, which only Landlock 6 refuses.
		Unix:      !cmd.Network || inner.Landlock() >= 6,
		FileBytes: limits.FileBytes, MemoryBytes: limits.MemoryBytes, Processes: limits.Processes, OpenFiles: limits.OpenFiles,
	}
	if !cmd.ReadOnly {
		spec.Write = append(append(spec.Write, root), g.extra...)
	}
	return spec
}

func (b *bubblewrap) run(ctx context.Context, cmd Command) (Result, error) {
	g := new(guard)
	if !cmd.ReadOnly {
		var err error
		if g, err = newGuard(ctx, b.options, b.nested, b.settings); err != nil {
			return Result{}, err
		}
		defer g.release()
	}
	r := &running{limits: b.options.Limits, workspace: b.options.Workspace, writes: !cmd.ReadOnly}
	r.path, r.args, r.self = b.program, b.arguments(cmd, g), b.self
	for _, account := range b.accounts {
		r.files = append(r.files, account.text)
	}
	if b.cgroup != "" {
		group, err := newCgroup(b.cgroup, b.options.Limits)
		if err != nil {
			return Result{}, refusal(Broken, "see agentbridge doctor", "the cgroup that was delegated cannot be used: %s", err)
		}
		defer group.remove()
		r.group = group
	}
	start := time.Now()
	result, err := r.run(ctx, cmd, b.spec(cmd, g))
	result.Notes = append(result.Notes, g.notes...)
	if !cmd.ReadOnly {
		result.Notes = append(result.Notes, b.nested.disarm(start)...)
	}
	return result, err
}
