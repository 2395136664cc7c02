package clients

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"agentbridge/internal/bridge"
)

// maxSettings is more than any settings file holds. What is longer is no settings file, or nobody's to edit by program.
const maxSettings = 32 << 20

// readSettings reads a settings file; its error is [fs.ErrNotExist] where there is none.
func readSettings(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err == nil && !info.Mode().IsRegular() {
		err = bridge.Errorf(bridge.Invalid, "%s is not a file", path).WithHint("move it away, and do the same again")
	}
	if err == nil && info.Size() > maxSettings {
		err = bridge.Errorf(bridge.Invalid, "%s has %d MB, and settings have %d MB at the most", path, info.Size()>>20, maxSettings>>20).
			WithHint("see what fills it; --dry-run elsewhere shows what to put in by hand")
	}
	if _, ok := errors.AsType[*bridge.Error](err); ok {
		return nil, err
	}
	var text []byte
	if err == nil {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			text, err = io.ReadAll(io.LimitReader(f, maxSettings+1))
			f.Close()
		}
	}
	if err != nil {
		return nil, bridge.Errorf(bridge.Denied, "%w", err).WithHint("it must be readable by you")
	}
	return text, nil
}

// targetOf follows symbolic links, also to a file that is not there yet.
func targetOf(path string) (string, error) {
	for range 40 {
		link, err := os.Readlink(path)
		if err != nil { // not a link
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return path, nil // the directory will be made
			}
			return filepath.Join(dir, filepath.Base(path)), nil
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(path), link)
		}
		path = link
	}
	return "", bridge.Errorf(bridge.Invalid, "%s: its symbolic links go round in circles", path).WithHint("remove the link")
}

// openUp is the way out where its owner does not let us write.
const openUp = "let it be written (chmod u+w) and do the same again, or change it by hand"

// writable refuses a file or a directory that its owner made read-only. A rename would not mind; its owner does.
func writable(target string) error {
	info, err := os.Stat(target)
	if err == nil && info.Mode().Perm()&0o200 == 0 {
		return bridge.Errorf(bridge.Denied, "%s is read-only", target).WithHint("%s", openUp)
	}
	dir := filepath.Dir(target)
	for {
		info, err = os.Stat(dir)
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	switch {
	case err != nil:
		return bridge.Errorf(bridge.Denied, "%w", err).WithHint("%s", openUp)
	case !info.IsDir():
		return bridge.Errorf(bridge.Denied, "%s is not a directory", dir).WithHint("move it away, and do the same again")
	case info.Mode().Perm()&0o200 == 0:
		return bridge.Errorf(bridge.Denied, "directory %s is read-only", dir).WithHint("%s", openUp)
	}
	f, err := os.CreateTemp(dir, ".agentbridge-*")
	if err != nil {
		return bridge.Errorf(bridge.Denied, "%w", err).WithHint("%s", openUp)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// replace puts a whole file in place at once, on disk, with that mode; a crash leaves the old one or the new one.
func replace(target string, text []byte, mode fs.FileMode) (err error) {
	temp := filepath.Join(filepath.Dir(target), ".agentbridge-"+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	own(target, f)
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", target, err)
	}
	return os.Rename(temp, target)
}

// makeDirs makes a directory and those above it, and tells which ones it made, the outermost first.
func makeDirs(dir string, mode fs.FileMode) (made []string, err error) {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if made, err = makeDirs(parent, mode); err != nil {
			return made, err
		}
	}
	if err := os.Mkdir(dir, mode); err != nil {
		return made, err
	}
	return append(made, dir), nil
}

// removeDirs takes away what makeDirs made, as far as it is empty.
func removeDirs(made []string) {
	for i := len(made) - 1; i >= 0; i-- {
		os.Remove(made[i]) // one that holds something stays
	}
}
