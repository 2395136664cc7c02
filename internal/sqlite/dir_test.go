package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"agentbridge/internal/bridge"
)

func TestOpen_KeepsOthersOutWhateverTheUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "data", "bridge.db")
	c := spawn(t, "umask", path)
	c.line()
	files := 0
	if err := filepath.WalkDir(filepath.Dir(filepath.Dir(path)), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		if info.Mode().Perm()&0o077 != 0 && info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s has mode %v, want nothing for others", name, info.Mode())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := 3 + 5 + 3; files != want { // directories; database, log, index, two locks; lock, inbox, sign
		t.Errorf("there are %d files and directories, want %d", files, want)
	}
}

func TestOpen_TightensWhatIsItsOwn(t *testing.T) {
	mode := func(path string) fs.FileMode {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
	for _, c := range []struct {
		name      string
		dir, want fs.FileMode
	}{
		{"bridge.db", 0o755, 0o700},
		{"other.db", 0o755, 0o755},                                  // may be a home directory
		{"bridge.db", 0o777 | fs.ModeSticky, 0o777 | fs.ModeSticky}, // is /tmp or the like
	} {
		dir := filepath.Join(t.TempDir(), "data")
		path := filepath.Join(dir, c.name)
		if err := start(t, path, Options{}).Close(); err != nil {
			t.Fatal(err)
		}
		for name, mode := range map[string]fs.FileMode{dir: c.dir, path: 0o644, path + ".lock": 0o666, filepath.Join(dir, "run"): 0o755} {
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
		start(t, path, Options{})
		if got := mode(dir).Perm() | mode(dir)&fs.ModeSticky; got != c.want {
			t.Errorf("the directory of %s with mode %v now has %v, want %v", c.name, c.dir, got, c.want)
		}
		for name, want := range map[string]fs.FileMode{path: 0o600, path + ".lock": 0o600, filepath.Join(dir, "run"): 0o700} {
			if got := mode(name).Perm(); got != want {
				t.Errorf("%s has mode %v, want %v", name, got, want)
			}
		}
	}
}

func TestOpen_RefusesNetworkFileSystems(t *testing.T) {
	for kind, want := range map[uint32]error{
		0x6969: bridge.Invalid, 0x517B: bridge.Invalid, 0xFF534D42: bridge.Invalid, 0xFE534D42: bridge.Invalid, 0x01021997: bridge.Invalid,
		0xEF53: nil, 0x01021994: nil, 0x58465342: nil, 0x9123683E: nil, 0x2FC12FC1: nil, 0x794C7630: nil, // ext, tmpfs, XFS, Btrfs, ZFS, overlay
		0x65735546: nil, 0: nil, // FUSE; unknown
	} {
		err := refuse(kind)
		if !errors.Is(err, want) || want != nil && !strings.Contains(bridge.AsError(err).Hint, "--data") {
			t.Errorf("refuse(%#x) = %v, want %v", kind, err, want)
		}
	}
	// The question goes to the nearest directory that exists.
	dir := t.TempDir()
	want, err := fileSystem(dir)
	if err != nil || want == 0 {
		t.Fatalf("fileSystem(%s) = %#x, %v", dir, want, err)
	}
	if err := refuseRemote(filepath.Join(dir, "not", "there", "yet", "bridge.db")); err != nil {
		t.Errorf("a path below a local directory: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "not")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("asking made a directory: %v", err)
	}
}

func TestOpen_RefusesWhatIsNotItsDatabase(t *testing.T) {
	change := func(sql string) func(path string) error {
		return func(path string) error {
			c, err := connect(path)
			if err != nil {
				return err
			}
			return errors.Join(c.script(sql), c.close())
		}
	}
	ours := func(path string) error {
		s, err := Open(t.Context(), path, Options{})
		return errors.Join(err, s.Close())
	}
	for name, c := range map[string]struct {
		prepare []func(path string) error
		says    string
	}{
		"text":            {[]func(string) error{func(path string) error { return os.WriteFile(path, []byte("some notes of mine\n"), 0o600) }}, "not a database"},
		"noise":           {[]func(string) error{func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("noise", 5000)), 0o600) }}, "not a database"},
		"newer":           {[]func(string) error{ours, change("PRAGMA user_version = 99")}, "upgrade agentbridge"},
		"other program":   {[]func(string) error{change("CREATE TABLE theirs (x)")}, "--data"},
		"other program 2": {[]func(string) error{change("PRAGMA user_version = 1; PRAGMA application_id = 7")}, "--data"},
	} {
		path := filepath.Join(t.TempDir(), "bridge.db")
		for _, prepare := range c.prepare {
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := os.ReadFile(path)
		_, err := Open(t.Context(), path, Options{})
		if e := bridge.AsError(err); !errors.Is(err, bridge.Invalid) || !strings.Contains(e.Message+e.Hint, c.says) || e.Hint == "" {
			t.Errorf("%s: Open = %v (hint %q), want invalid that says %q", name, err, e.Hint, c.says)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// spawnPowerless starts a child that may not pass over the modes of files, as root may.
func spawnPowerless(t testing.TB, duty, path string) *child {
	t.Helper()
	if os.Getuid() != 0 {
		return spawn(t, duty, path)
	}
	c := prepareChild(t, duty, path)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return c.start()
}

func TestOpen_SaysWhatCannotBeWritten(t *testing.T) {
	for name, c := range map[string]struct{ dir, file fs.FileMode }{
		"directory": {0o555, 0o666},
		"file":      {0o777, 0o444},
	} {
		// Not t.TempDir, which only this user can enter.
		dir, err := os.MkdirTemp("", "agentbridge")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		path := filepath.Join(dir, "other.db")
		if err := start(t, path, Options{}).Close(); err != nil {
			t.Fatal(err)
		}
		for name, mode := range map[string]fs.FileMode{path: c.file, path + ".lock": 0o666, path + ".next": 0o666, filepath.Join(dir, "run"): 0o777 | fs.ModeSticky, dir: c.dir} {
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
		if line := spawnPowerless(t, "open", path).line(); !strings.HasPrefix(line, "error:") || !strings.Contains(line, "cannot be") {
			t.Errorf("%s: a user who may not write is told %q", name, line)
		}
	}
}
