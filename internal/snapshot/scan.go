package snapshot

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// The modes that git knows.
const (
	plain      = "100644"
	executable = "100755"
	link       = "120000"
	repository = "160000" // a submodule, by its commit
)

// entry is one file as git would keep it.
type entry struct {
	mode string
	id   string // of its contents
	size int64
	text string // of a symbolic link, where it was read here
}

// scan finds out what the directory holds, by path with slashes, and says what it leaves out. The contents are read each time: the
// index remembers files by their times, and a command may have written the index.
func (k *Keeper) scan(ctx context.Context, extra []string) (map[string]entry, []string, error) {
	var notes []string
	paths := slices.Clone(extra)
	if k.lost {
		notes = append(notes, "the repository is gone, so only files of snapshots are kept")
	} else {
		out, err := k.work.run(ctx, nil, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
		if err != nil {
			return nil, nil, err
		}
		paths = append(paths, records(out)...)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths) // in a conflict git names a file three times
	paths = k.reachable(paths)

	found := map[string]entry{}
	var mu sync.Mutex // guards found, notes and failed
	var failed error
	next := make(chan string)
	var working sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		working.Go(func() {
			for name := range next {
				e, note, err := k.look(ctx, name)
				mu.Lock()
				switch {
				case err != nil:
					failed = errors.Join(failed, err)
				case note != "":
					notes = append(notes, note)
				case e.mode != "":
					found[name] = e
				}
				mu.Unlock()
			}
		})
	}
	for _, name := range paths {
		if ctx.Err() != nil {
			break
		}
		next <- name
	}
	close(next)
	working.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if failed != nil {
		return nil, nil, &Error{Kind: Failed, Message: "read the work tree: " + failed.Error(), Hint: "make every file readable, or let git ignore it", cause: failed}
	}
	slices.Sort(notes)
	return found, notes, nil
}

// reachable are the paths that no symbolic link leads away from the directory: the index still names a/b when a has become a link.
func (k *Keeper) reachable(paths []string) []string {
	linked := map[string]bool{".": false}
	var isLinked func(dir string) bool
	isLinked = func(dir string) bool {
		known, ok := linked[dir]
		if !ok {
			info, err := os.Lstat(filepath.Join(k.dir, filepath.FromSlash(dir)))
			known = isLinked(path.Dir(dir)) || err == nil && !info.IsDir()
			linked[dir] = known
		}
		return known
	}
	return slices.DeleteFunc(paths, func(p string) bool { return safe(p) && isLinked(path.Dir(p)) })
}

// look looks at one path. A path that is no longer there gives nothing at all.
func (k *Keeper) look(ctx context.Context, path string) (e entry, note string, err error) {
	if !safe(strings.TrimSuffix(path, "/")) {
		return entry{}, fmt.Sprintf("%q is not kept: no such path can be restored", path), nil
	}
	full := filepath.Join(k.dir, filepath.FromSlash(path))
	info, err := os.Lstat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist) || notDirectory(err):
		return entry{}, "", nil
	case err != nil:
		return entry{}, "", err
	case info.Mode()&fs.ModeSymlink != 0:
		text, err := os.Readlink(full)
		if err != nil {
			return entry{}, "", err
		}
		sum := k.newHash("blob", int64(len(text)))
		io.WriteString(sum, text)
		return entry{mode: link, id: hex.EncodeToString(sum.Sum(nil)), size: int64(len(text)), text: text}, "", nil
	case info.Mode().IsRegular():
		return k.read(full, info)
	case info.IsDir() && strings.HasSuffix(path, "/"):
		return entry{}, fmt.Sprintf("%s is a repository of its own, and nothing of it is kept", path), nil
	case info.IsDir():
		head, err := (git{dir: full}).line(ctx, "rev-parse", "--verify", "--quiet", "HEAD")
		if err != nil || len(head) != len(hex.EncodeToString(k.newHash("blob", 0).Sum(nil))) || !exists(filepath.Join(full, ".git")) {
			return entry{}, "", nil // a directory where the index has a file or a submodule that is not there
		}
		return entry{mode: repository, id: head}, "", nil
	default:
		return entry{}, fmt.Sprintf("%s is neither file, directory nor link, and is not kept", path), nil
	}
}

// read gives the name that git would give the contents of a file.
func (k *Keeper) read(full string, info fs.FileInfo) (entry, string, error) {
	file, err := os.Open(full)
	if err != nil {
		return entry{}, "", err
	}
	defer file.Close()
	e := entry{mode: plain, size: info.Size()}
	if info.Mode()&0o100 != 0 {
		e.mode = executable
	}
	sum := k.newHash("blob", e.size)
	n, err := io.Copy(sum, io.LimitReader(file, e.size))
	if err == nil && n != e.size {
		err = fmt.Errorf("%s became shorter while it was read", full)
	}
	if err != nil {
		return entry{}, "", err
	}
	e.id = hex.EncodeToString(sum.Sum(nil))
	return e, "", nil
}

// newHash is the hash of an object of that kind and size, to be fed its contents.
func (k *Keeper) newHash(kind string, size int64) hash.Hash {
	sum := sha1.New()
	if k.work.format == "sha256" {
		sum = sha256.New()
	}
	fmt.Fprintf(sum, "%s %d\x00", kind, size)
	return sum
}

// safe reports whether a path can be written in the directory without leaving it or entering a repository's own files.
func safe(path string) bool {
	if !filepath.IsLocal(filepath.FromSlash(path)) || path == "." {
		return false
	}
	return !slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return strings.EqualFold(part, ".git") || part == ".." || part == "" })
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
