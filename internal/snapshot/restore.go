package snapshot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Change is what restoring does to one path.
type Change struct {
	Path string `json:"path"` // with slashes, relative to the directory
	What string `json:"what"` // create, write, chmod, remove, or keep: what is there is in the way and is left alone
}

// Restored is what was done.
type Restored struct {
	Changes []Change `json:"changes"`
	Before  Snapshot `json:"before"` // what the directory held until then; restoring it undoes this
}

// Compare says what restoring the snapshot would change now. Nothing is written.
func (k *Keeper) Compare(ctx context.Context, id string) ([]Change, error) {
	s, err := k.find(ctx, id)
	if err != nil {
		return nil, err
	}
	want, err := k.load(ctx, s.Commit)
	if err != nil {
		return nil, err
	}
	have, _, err := k.scan(ctx, names(want))
	if err != nil {
		return nil, err
	}
	return changes(have, want), nil
}

// Restore brings the directory back to the snapshot, after it took one of what is there now: nothing that is lost by restoring is
// lost for good, ignored files in the way included. Ignored files that the snapshot does not name stay, the index, HEAD and branches,
// too. On an error the directory may be between both; [Restored.Before] is set if it was touched at all.
func (k *Keeper) Restore(ctx context.Context, id string) (Restored, error) {
	s, err := k.find(ctx, id)
	if err != nil {
		return Restored{}, err
	}
	want, err := k.load(ctx, s.Commit)
	if err != nil {
		return Restored{}, err
	}
	before, err := k.take(ctx, "before restoring "+s.ID, names(want))
	if err != nil {
		return Restored{}, err
	}
	have, err := k.load(ctx, before.Commit)
	if err != nil {
		return Restored{}, err
	}
	done := Restored{Before: before, Changes: changes(have, want)}
	root, err := os.OpenRoot(k.dir)
	if err != nil {
		return done, failed("restore", err)
	}
	defer root.Close()
	w := &writer{root: root, keeper: k, ctx: ctx}
	defer w.close()
	// What goes makes room for what comes.
	for _, c := range done.Changes {
		if c.What == "remove" {
			if err := w.remove(c.Path); err != nil {
				return done, failed("remove "+c.Path, err)
			}
		}
	}
	for i, c := range done.Changes {
		if c.What == "remove" || c.What == "keep" {
			continue
		}
		err := w.write(c.Path, want[c.Path], c.What == "chmod")
		if errors.Is(err, errInTheWay) {
			done.Changes[i].What = "keep"
		} else if err != nil {
			return done, failed("write "+c.Path, err)
		}
	}
	return done, nil
}

func names(entries map[string]entry) []string {
	found := make([]string, 0, len(entries))
	for path := range entries {
		found = append(found, path)
	}
	return found
}

// changes leads from one state to the other, in the order of the paths. Submodules are named, never touched.
func changes(have, want map[string]entry) []Change {
	found := []Change{} // as JSON an empty list, not null
	for p, w := range want {
		h, there := have[p]
		switch {
		case w.mode == repository || h.mode == repository:
			if h.mode != w.mode || h.id != w.id {
				found = append(found, Change{p, "keep"})
			}
		case !there:
			found = append(found, Change{p, "create"})
		case h.id != w.id || (h.mode == link) != (w.mode == link):
			found = append(found, Change{p, "write"})
		case h.mode != w.mode:
			found = append(found, Change{p, "chmod"})
		}
	}
	for p, h := range have {
		if _, there := want[p]; !there && h.mode != repository {
			found = append(found, Change{p, "remove"})
		}
	}
	slices.SortFunc(found, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return found
}

// errInTheWay says that something that no snapshot holds is where a file should be.
var errInTheWay = errors.New("something that is not in a snapshot is in the way")

// writer writes files in a directory and nowhere else, whatever symbolic links lie there.
type writer struct {
	root   *os.Root
	keeper *Keeper
	ctx    context.Context
	git    *exec.Cmd // cat-file --batch, once needed
	ask    io.WriteCloser
	answer *bufio.Reader
}

// remove removes a file, and the directories that are empty without it.
func (w *writer) remove(name string) error {
	if err := w.root.Remove(filepath.FromSlash(name)); err != nil && !errors.Is(err, fs.ErrNotExist) && !notDirectory(err) {
		return err
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if w.root.Remove(filepath.FromSlash(dir)) != nil {
			break
		}
	}
	return nil
}

func (w *writer) write(name string, e entry, onlyMode bool) error {
	file := filepath.FromSlash(name)
	mode := fs.FileMode(0o644)
	if e.mode == executable {
		mode = 0o755
	}
	if onlyMode {
		return w.root.Chmod(file, mode)
	}
	if err := w.parents(name); err != nil {
		return err
	}
	if info, err := w.root.Lstat(file); err == nil {
		if info.IsDir() {
			// Empty, or with ignored files in it, which no snapshot has.
			if w.root.Remove(file) != nil {
				return errInTheWay
			}
		} else if !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
			return errInTheWay
		}
	}
	size, err := w.open(e.id)
	if err != nil {
		return err
	}
	content := io.LimitReader(w.answer, size)
	defer func() {
		io.Copy(io.Discard, content)
		w.answer.Discard(1) // the line's end
	}()
	if e.mode == link {
		text, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		if err := w.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return w.root.Symlink(string(text), file)
	}
	// Beside it first: a file is there whole, old or new.
	temp := file + ".agentbridge-restore"
	w.root.Remove(temp)
	out, err := w.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = w.root.Chmod(temp, mode) // whatever the umask says
	}
	if err == nil {
		err = w.root.Rename(temp, file)
	}
	if err != nil {
		w.root.Remove(temp)
	}
	return err
}

// parents makes the directories above a file. A link or file in their place is in the snapshot that was just taken.
func (w *writer) parents(name string) error {
	dir := ""
	for part := range strings.SplitSeq(path.Dir(name), "/") {
		if part == "." {
			return nil
		}
		dir = filepath.Join(dir, part)
		info, err := w.root.Lstat(dir)
		if err == nil && !info.IsDir() {
			if info.Mode()&fs.ModeSymlink == 0 && !info.Mode().IsRegular() {
				return errInTheWay
			}
			if err := w.root.Remove(dir); err != nil {
				return err
			}
			err = fs.ErrNotExist
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = w.root.Mkdir(dir, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open asks for the contents of an object; that many bytes follow in w.answer.
func (w *writer) open(id string) (size int64, err error) {
	if w.git == nil {
		if err := w.start(); err != nil {
			return 0, err
		}
	}
	if _, err := io.WriteString(w.ask, id+"\n"); err != nil {
		return 0, err
	}
	line, err := w.answer.ReadString('\n')
	if err != nil {
		return 0, err
	}
	var got, kind string
	if n, _ := fmt.Sscan(line, &got, &kind, &size); n != 3 || kind != "blob" || got != id {
		return 0, fmt.Errorf("the snapshot lost object %s", id)
	}
	return size, nil
}

func (w *writer) start() error {
	cmd := w.keeper.target.command(w.ctx, "cat-file", "--batch")
	ask, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	answer, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	w.ask, w.answer, w.git = ask, bufio.NewReaderSize(answer, 64<<10), cmd
	return cmd.Start()
}

func (w *writer) close() {
	if w.git != nil {
		w.ask.Close()
		w.git.Wait()
	}
}
