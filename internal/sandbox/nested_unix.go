//go:build unix

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// nested knows the repositories inside a workspace. git status in the workspace runs git in those that the index names, with their
// own settings, so a repository that a command made or brought along is as good as a program that starts by itself. Where one will
// be made cannot be known before, so afterwards what is new is disarmed.
type nested struct {
	root string

	mu    sync.Mutex        // guards known
	known map[string]uint64 // .git and its inode, by path
}

// disarmed is appended to .git: the repository is whole, and git does not see it.
const disarmed = ".disarmed"

func newNested(root string) *nested {
	n := &nested{root: root, known: map[string]uint64{}}
	n.walk(func(path string, stat *syscall.Stat_t) { n.known[path] = stat.Ino })
	return n
}

// paths are those of the known repositories that are still the same.
func (n *nested) paths() (found []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for path, inode := range n.known {
		if info, err := os.Lstat(path); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Ino == inode {
				found = append(found, path)
				continue
			}
		}
		delete(n.known, path)
	}
	return found
}

// disarm renames every repository that came since start. One that is older, yet not known, is the user's own.
func (n *nested) disarm(start time.Time) (notes []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.walk(func(path string, stat *syscall.Stat_t) {
		switch inode, known := n.known[path]; {
		case known && inode == stat.Ino:
		case changed(stat).Before(start.Add(-20 * time.Millisecond)): // the clock of files is coarse
			n.known[path] = stat.Ino
		default:
			rel, err := filepath.Rel(n.root, path)
			if err == nil {
				err = free(path + disarmed)
			}
			if err == nil {
				err = os.Rename(path, path+disarmed)
			}
			if err != nil {
				notes = append(notes, fmt.Sprintf("the command made the repository %s, which could not be disarmed: %s", rel, cause(err)))
				return
			}
			notes = append(notes, fmt.Sprintf("the command made a repository, whose settings could run programs: %s is now %s", rel, rel+disarmed))
		}
	})
	return notes
}

// free makes a name free for what is to be disarmed.
func free(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.Rename(path, fmt.Sprintf("%s-%d", path, time.Now().UnixNano()))
}

// walk visits every .git below the root, but for the root's own. A directory that a command locked is opened.
func (n *nested) walk(visit func(path string, stat *syscall.Stat_t)) {
	var found []string
	filepath.WalkDir(n.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if info, serr := os.Lstat(path); serr == nil && info.IsDir() && errors.Is(err, fs.ErrPermission) && info.Mode()&0o500 != 0o500 && os.Chmod(path, info.Mode().Perm()|0o700) == nil {
				below := &nested{root: path}
				below.walk(func(path string, _ *syscall.Stat_t) { found = append(found, path) })
				if _, err := os.Lstat(filepath.Join(path, ".git")); err == nil {
					found = append(found, filepath.Join(path, ".git"))
				}
			}
			return nil // the rest is what can be seen
		}
		if d.Name() != ".git" {
			return nil
		}
		if filepath.Dir(path) != n.root {
			found = append(found, path)
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	for _, path := range found {
		if info, err := os.Lstat(path); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				visit(path, stat)
			}
		}
	}
}

// nested guards a repository inside the workspace as if it were the workspace's own.
func (g *guard) nested(dot string) error {
	rel, err := filepath.Rel(g.root, dot)
	if err != nil {
		return err
	}
	info, err := os.Lstat(dot)
	if err != nil {
		return nil // gone meanwhile
	}
	if !info.IsDir() || !exists(filepath.Join(dot, "HEAD")) || !exists(filepath.Join(dot, "config")) {
		return g.protect(g.root, rel) // a file that names the place, or something that could become a repository
	}
	if err := g.protect(g.root, filepath.Join(rel, "config")); err != nil { // and all above it
		return err
	}
	return g.repository(dot)
}
