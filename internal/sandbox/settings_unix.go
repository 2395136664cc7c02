//go:build unix

package sandbox

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// gitSettings remembers which files of a workspace git's settings name, until one of the files that settings are in changes.
type gitSettings struct {
	root string

	mu    sync.Mutex // guards what follows
	seen  map[string]stamp
	names []string
}

// stamp tells one state of a file from another. No command can set when a file changed.
type stamp struct {
	inode   uint64
	size    int64
	changed int64
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{changed: info.ModTime().UnixNano()}
	}
	return stamp{stat.Ino, stat.Size, changed(stat).UnixNano()}
}

// executed are the files and directories of the workspace that git's settings name for itself: hooks in another place, and settings
// that include others. There are none where git or a repository is missing.
func (g *gitSettings) executed(ctx context.Context) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen != nil {
		now := map[string]stamp{}
		for path := range g.seen {
			now[path] = stampOf(path)
		}
		if maps.Equal(now, g.seen) {
			return g.names
		}
	}
	files := []string{filepath.Join(g.root, ".git", "config"), "/etc/gitconfig"}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".gitconfig"), filepath.Join(home, ".config", "git", "config"))
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		files = append(files, filepath.Join(dir, "git", "config"))
	}
	before := map[string]stamp{} // of before they were read
	for _, path := range files {
		before[path] = stampOf(path)
	}
	g.names, g.seen = nil, before
	out, err := exec.CommandContext(ctx, "git", "-C", g.root, "config", "--list", "--show-origin", "-z").Output()
	if err != nil {
		if ctx.Err() != nil {
			g.seen = nil
		}
		return nil
	}
	fields := strings.Split(string(out), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if file, ok := strings.CutPrefix(fields[i], "file:"); ok {
			g.add(file)
			if path := absolute(file, g.root); g.seen[path] == (stamp{}) {
				g.seen[path] = stampOf(path)
			}
		}
		if path, ok := strings.CutPrefix(fields[i+1], "core.hookspath\n"); ok && path != "" {
			g.add(path)
		}
	}
	return g.names
}

// add takes a path that is in the workspace and not in .git, which is guarded in any case.
func (g *gitSettings) add(path string) {
	if strings.HasPrefix(path, "~") {
		return // a home, which is in no workspace
	}
	rel, err := filepath.Rel(g.root, absolute(path, g.root))
	if err == nil && filepath.IsLocal(rel) && rel != "." && rel != ".git" && !strings.HasPrefix(rel, ".git/") {
		g.names = append(g.names, rel)
	}
}
