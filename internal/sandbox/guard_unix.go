//go:build unix

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// guard keeps a workspace's protected files as they are while a command runs. What exists is mounted read-only over itself, and so
// cannot be renamed either. What does not exist is held by a placeholder: an empty directory, which git does not see and
// which no program takes for a file of that name. The placeholders are made and removed on the real disk.
type guard struct {
	root   string
	pinned []string // directories that hold something guarded: mounted over themselves, or they could be renamed with all in them
	frozen []string // mounted read-only
	empty  []string // placeholders that are directories: something empty is mounted over them
	extra  []string // writable, outside the workspace: the repository of a linked worktree

	lock  *os.File // of the workspace, shared: the last to leave removes the placeholders
	other *os.File // the same for the repository of a linked worktree, or nil
	notes []string
}

// A placeholder is known by its mode: nobody makes empty directories that are sticky and read-only.
const placeholder = unix.S_ISVTX | 0o555

// sameDir is what the file commondir says where a repository is its own common directory: nothing new, but then it is there.
const sameDir = ".\n"

func newGuard(ctx context.Context, o Options, n *nested, settings *gitSettings) (_ *guard, err error) {
	g := &guard{root: o.Workspace}
	defer func() {
		if err != nil {
			g.release()
		}
	}()
	if g.lock, err = shared(o.Workspace); err != nil {
		return nil, err
	}
	named := make(chan []string, 1)
	go func() { named <- settings.executed(ctx) }() // it takes about as long as the rest
	names := slices.Concat(Protected, o.Protect)
	for _, name := range ProtectedIfThere {
		if exists(filepath.Join(o.Workspace, name)) {
			names = append(names, name)
		}
	}
	err = g.protectAll(names)
	if err == nil {
		err = g.git()
	}
	names = <-named
	if err == nil {
		err = g.protectAll(names)
	}
	for _, dot := range n.paths() {
		if err == nil {
			err = g.nested(dot)
		}
	}
	return g, err
}

// shared takes the lock under which placeholders are made.
func shared(dir string) (*os.File, error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, refusal(BadWorkspace, "", "the workspace cannot be opened: %s", cause(err))
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_SH); err != nil {
		file.Close()
		return nil, refusal(BadWorkspace, "keep the workspace on a disk of this machine", "the workspace cannot be locked: %s", err)
	}
	return file, nil
}

func (g *guard) protectAll(names []string) error {
	for _, name := range names {
		if err := g.protect(g.root, name); err != nil {
			return err
		}
	}
	return nil
}

// protect guards one file or directory, whether it exists or not.
func (g *guard) protect(root, name string) error {
	path := root
	parts := strings.Split(filepath.ToSlash(filepath.Clean(name)), "/")
	for i, part := range parts {
		path = filepath.Join(path, part)
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := unix.Mkdir(path, placeholder); err != nil && !errors.Is(err, fs.ErrExist) {
				return g.unfit(path, "cannot be held: "+err.Error())
			}
			g.hide(path)
			return nil
		case err != nil:
			return g.unfit(path, "cannot be read: "+cause(err))
		case info.Mode()&fs.ModeSymlink != 0:
			return g.unfit(path, "is a symbolic link, which cannot be kept from being replaced")
		case holdsPlace(info):
			g.hide(path)
			return nil
		case i == len(parts)-1:
			return g.freezeChecked(path, info)
		case !info.IsDir():
			return nil // nothing can be made beneath a file; the file itself is the workspace's
		}
		g.pin(path)
	}
	return nil
}

// freezeChecked freezes what exists, unless there is another way to it.
func (g *guard) freezeChecked(path string, info fs.FileInfo) error {
	if several(info) {
		return g.unfit(path, "has a second name (hard link), through which it could be changed")
	}
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return g.unfit(path, "cannot be read: "+cause(err))
		}
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil && several(info) {
				return g.unfit(filepath.Join(path, entry.Name()), "has a second name (hard link), through which it could be changed")
			}
		}
	}
	g.freeze(path)
	return nil
}

// several reports whether a file has more than one name.
func several(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return info.Mode().IsRegular() && (!ok || stat.Nlink > 1)
}

// holdsPlace reports whether a directory is a placeholder.
func holdsPlace(info fs.FileInfo) bool {
	return info.IsDir() && info.Mode()&fs.ModeSticky != 0 && info.Mode().Perm()&0o222 == 0
}

func (g *guard) freeze(path string) {
	if !slices.Contains(g.frozen, path) {
		g.frozen = append(g.frozen, path)
	}
}

func (g *guard) hide(path string) {
	if !slices.Contains(g.empty, path) {
		g.empty = append(g.empty, path)
	}
}

func (g *guard) pin(path string) {
	if !slices.Contains(g.pinned, path) {
		g.pinned = append(g.pinned, path)
	}
}

func (g *guard) unfit(path, what string) error {
	return refusal(BadWorkspace, "make it a file or directory of its own, or use another workspace", "%s %s", path, what)
}

// git guards what leads git to programs, and opens the repository of a linked worktree.
func (g *guard) git() error {
	dot := filepath.Join(g.root, ".git")
	info, err := os.Lstat(dot)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return g.protect(g.root, ".git") // a repository made by a command would be its own
	case err != nil:
		return g.unfit(dot, "cannot be read: "+cause(err))
	case info.Mode()&fs.ModeSymlink != 0:
		return g.unfit(dot, "is a symbolic link, which cannot be kept from being replaced")
	case info.Mode().IsRegular():
		if err := g.freezeChecked(dot, info); err != nil {
			return err
		}
		return g.linked(dot)
	case holdsPlace(info):
		return g.protect(g.root, ".git")
	}
	g.pin(dot)
	return g.repository(dot)
}

// repository guards the directory that holds a repository's config and hooks.
func (g *guard) repository(dir string) error {
	config, err := os.ReadFile(filepath.Join(dir, "config"))
	if err != nil {
		return g.unfit(filepath.Join(dir, "config"), "cannot be read: "+cause(err))
	}
	names := []string{"config", "hooks"}
	for _, name := range []string{"modules", "worktrees", "config.worktree"} {
		if exists(filepath.Join(dir, name)) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if err := g.protect(dir, name); err != nil {
			return err
		}
	}
	// A directory of these names would stop git from working, so the placeholders are files that say nothing new.
	if bytes.Contains(bytes.ToLower(config), []byte("worktreeconfig")) {
		if err := g.hold(filepath.Join(dir, "config.worktree"), ""); err != nil {
			return err
		}
	}
	return g.hold(filepath.Join(dir, "commondir"), sameDir)
}

// hold guards a file, made with that text where it does not exist.
func (g *guard) hold(path, text string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := place(path, text); err != nil {
			return g.unfit(path, "cannot be held: "+cause(err))
		}
		info, err = os.Lstat(path)
		if err != nil {
			return g.unfit(path, "cannot be held: "+cause(err))
		}
	}
	if !info.Mode().IsRegular() {
		return g.unfit(path, "is no file")
	}
	return g.freezeChecked(path, info)
}

// place makes a file whole or not at all, and never over somebody else's.
func place(path, text string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".placeholder-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(text)
	if err == nil {
		err = temp.Chmod(0o444)
	}
	if cerr := temp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		if err = os.Link(temp.Name(), path); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	return err
}

// linked opens the repository of a linked worktree, if it says so itself: a file .git alone could name any.
func (g *guard) linked(dot string) error {
	text, err := os.ReadFile(dot)
	if err != nil {
		return g.unfit(dot, "cannot be read: "+cause(err))
	}
	name, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
	if !ok {
		return nil
	}
	own := realPath(absolute(name, g.root))
	back, err := os.ReadFile(filepath.Join(own, "gitdir"))
	if err != nil || realPath(absolute(strings.TrimSpace(string(back)), own)) != dot {
		g.notes = append(g.notes, "git cannot write here: the repository does not know this directory as a worktree")
		return nil
	}
	text, err = os.ReadFile(filepath.Join(own, "commondir"))
	if err != nil {
		return nil
	}
	common := realPath(absolute(strings.TrimSpace(string(text)), own))
	if filepath.Dir(own) != filepath.Join(common, "worktrees") {
		g.notes = append(g.notes, "git cannot write here: the repository is not laid out as git does it")
		return nil
	}
	if g.other, err = shared(common); err != nil {
		return err
	}
	g.extra = append(g.extra, common)
	if err := g.repository(common); err != nil {
		return err
	}
	g.extra = append(g.extra, own) // in worktrees, which is read-only
	g.freeze(filepath.Join(own, "gitdir"))
	g.freeze(filepath.Join(own, "commondir"))
	return g.hold(filepath.Join(own, "config.worktree"), "")
}

func absolute(path, dir string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// release removes the placeholders, unless another command still needs them. It never removes what holds anything.
func (g *guard) release() {
	for _, lock := range []*os.File{g.lock, g.other} {
		if lock == nil {
			continue
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			for _, path := range slices.Concat(g.frozen, g.empty) {
				if (lock == g.other) == slices.ContainsFunc(g.extra, func(dir string) bool { return within(path, dir) }) {
					removePlaceholder(path)
				}
			}
		}
		lock.Close()
	}
}

func removePlaceholder(path string) {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
	case holdsPlace(info):
		os.Remove(path) // fails where it is not empty
	case info.Mode().IsRegular() && info.Mode().Perm()&0o222 == 0 && info.Size() <= int64(len(sameDir)):
		text, err := os.ReadFile(path)
		base := filepath.Base(path)
		if err == nil && (base == "commondir" && bytes.Equal(text, []byte(sameDir)) || base == "config.worktree" && len(text) == 0) {
			os.Remove(path)
		}
	}
}
