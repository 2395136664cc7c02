//go:build !windows

package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentbridge/internal/snapshot"
)

func run(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository is a work tree without a commit.
func repository(t testing.TB, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, append([]string{"init", "-q", "-b", "main"}, args...)...)
	run(t, dir, "config", "user.name", "Ada")
	run(t, dir, "config", "user.email", "ada@example.com")
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, o snapshot.Options) *snapshot.Keeper {
	t.Helper()
	k, err := snapshot.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func take(t testing.TB, k *snapshot.Keeper) snapshot.Snapshot {
	t.Helper()
	s, err := k.Take(context.Background(), "before a test")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func restore(t testing.TB, k *snapshot.Keeper, id string) snapshot.Restored {
	t.Helper()
	r, err := k.Restore(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// holds is what a directory holds, .git left out: mode and contents of files, targets of links.
func holds(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		switch {
		case d.Name() == ".git":
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir():
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			found[rel] = "-> " + target
			return err
		case d.Type().IsRegular():
			info, err := d.Info()
			if err != nil {
				return err
			}
			text, err := os.ReadFile(path)
			found[rel] = fmt.Sprintf("%03o %s", info.Mode().Perm(), text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// busy is a work tree in the middle of work of every kind.
func busy(t testing.TB) string {
	dir := repository(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"committed", "changed", "staged", "both", "deleted", "removed", "dir/file", "becomes-exec", "becomes-link"} {
		write(t, at(name), name+" as committed\n")
	}
	write(t, at(".gitignore"), "*.log\n/build/\n")
	write(t, at(".gitattributes"), "*.txt text eol=lf\n*.crlf text eol=crlf\n*.id ident\n")
	run(t, dir, "add", ".")
	run(t, dir, "commit", "-qm", "first")
	write(t, at("changed"), "changed, not staged\n")
	write(t, at("staged"), "staged\n")
	run(t, dir, "add", "staged")
	write(t, at("both"), "staged first\n")
	run(t, dir, "add", "both")
	write(t, at("both"), "and changed after\n")
	os.Remove(at("deleted"))
	run(t, dir, "rm", "-q", "removed")
	os.Chmod(at("becomes-exec"), 0o755)
	os.Remove(at("becomes-link"))
	os.Symlink("../outside", at("becomes-link"))
	write(t, at("untracked"), "never added\n")
	write(t, at("new/deep/er/file"), "never added\n")
	write(t, at("empty"), "")
	write(t, at("binary"), "\x00\xff\xfe\r\n\x00")
	write(t, at("unix.txt"), "one\r\ntwo\n")
	write(t, at("dos.crlf"), "one\ntwo\r\n")
	write(t, at("a.id"), "$Id$\n")
	write(t, at("with space \"quote\" and\nline"), "name\n")
	write(t, at("back\\slash\ttab"), "name\n")
	write(t, at("invalid-\xff-utf8"), "name\n")
	write(t, at("-dash"), "name\n")
	os.Symlink("committed", at("link"))
	os.Symlink("/no/such/place", at("broken-link"))
	return dir
}

func TestTake_HoldsAllWorkAndTouchesNothing(t *testing.T) {
	for name, store := range map[string]string{"in the repository": "", "in a store": filepath.Join(t.TempDir(), "store")} {
		t.Run(name, func(t *testing.T) {
			dir := busy(t)
			write(t, filepath.Join(dir, "ignored.log"), "not kept\n")
			index, err := os.ReadFile(filepath.Join(dir, ".git", "index"))
			if err != nil {
				t.Fatal(err)
			}
			status, head, branches := run(t, dir, "status", "--porcelain", "-z"), run(t, dir, "rev-parse", "HEAD"), run(t, dir, "branch", "-a")
			before := holds(t, dir)
			k := open(t, snapshot.Options{Dir: dir, Store: store})
			s := take(t, k)
			if now, err := os.ReadFile(filepath.Join(dir, ".git", "index")); err != nil || string(now) != string(index) {
				t.Error("the index changed")
			}
			if diff := cmp.Diff(before, holds(t, dir)); diff != "" {
				t.Errorf("the work tree changed: %s", diff)
			}
			if run(t, dir, "status", "--porcelain", "-z") != status || run(t, dir, "rev-parse", "HEAD") != head || run(t, dir, "branch", "-a") != branches {
				t.Error("status, HEAD or branches changed")
			}
			if len(s.Notes) > 0 || s.Files != len(before)-1 {
				t.Errorf("%d files with notes %q, want %d", s.Files, s.Notes, len(before)-1)
			}
			if all, err := k.List(t.Context()); err != nil || !cmp.Equal(all, []snapshot.Snapshot{s}) {
				t.Errorf("List = %v, %v; want %v", all, err, s)
			}
			if changes, err := k.Compare(t.Context(), s.ID); err != nil || len(changes) > 0 {
				t.Errorf("restoring would change %v (%v), want nothing", changes, err)
			}
			// What was staged is there, too, as the commit's parent.
			where := dir
			if store != "" {
				where = store
			}
			if got := run(t, where, "show", s.Commit+"^:both"); got != "staged first" {
				t.Errorf("staged was %q", got)
			}

			// All is lost, then all is back, byte for byte; what is ignored is not.
			for name := range before {
				os.RemoveAll(filepath.Join(dir, name))
			}
			os.RemoveAll(filepath.Join(dir, "new"))
			write(t, filepath.Join(dir, "new"), "in place of a directory")
			write(t, filepath.Join(dir, "committed", "dir"), "in place of a file")
			restore(t, k, s.ID)
			delete(before, "ignored.log")
			if diff := cmp.Diff(before, holds(t, dir)); diff != "" {
				t.Errorf("restored otherwise than it was (-was +is): %s", diff)
			}
			if now, err := os.ReadFile(filepath.Join(dir, ".git", "index")); err != nil || string(now) != string(index) {
				t.Error("restoring changed the index")
			}
		})
	}
}

// Nothing that the repository can name is run or obeyed while a snapshot is taken, compared and restored.
func TestSnapshot_RunsNothingOfTheRepository(t *testing.T) {
	dir := busy(t)
	marker := filepath.Join(t.TempDir(), "ran")
	evil := filepath.Join(dir, ".git", "evil")
	write(t, evil, "#!/bin/sh\necho \"$0 $@\" >>"+marker+"\ncat\n")
	os.Chmod(evil, 0o755)
	for _, setting := range []string{"filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "core.fsmonitor", "diff.evil.textconv", "diff.external", "core.pager", "core.editor", "core.sshCommand", "gpg.program", "core.alternateRefsCommand", "credential.helper", "core.askPass"} {
		run(t, dir, "config", setting, evil)
	}
	run(t, dir, "config", "filter.evil.required", "true")
	run(t, dir, "config", "commit.gpgSign", "true")
	write(t, filepath.Join(dir, ".gitattributes"), "* filter=evil diff=evil text\n")
	for _, hook := range []string{"reference-transaction", "post-index-change", "pre-commit", "post-commit", "post-checkout", "pre-auto-gc", "fsmonitor-watchman"} {
		write(t, filepath.Join(dir, ".git", "hooks", hook), "#!/bin/sh\necho hook >>"+marker+"\n")
		os.Chmod(filepath.Join(dir, ".git", "hooks", hook), 0o755)
	}
	before := holds(t, dir)
	k := open(t, snapshot.Options{Dir: dir})
	s := take(t, k)
	write(t, filepath.Join(dir, "changed"), "again\n")
	os.Remove(filepath.Join(dir, "untracked"))
	if _, err := k.Compare(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	restore(t, k, s.ID)
	if diff := cmp.Diff(before, holds(t, dir)); diff != "" {
		t.Errorf("restored otherwise than it was: %s", diff)
	}
	if _, err := k.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(marker); err == nil {
		t.Errorf("these ran:\n%s", text)
	}
}

func TestTake_InEveryKindOfRepository(t *testing.T) {
	linked := func(t *testing.T) string {
		main := busy(t)
		dir := filepath.Join(t.TempDir(), "linked")
		run(t, main, "worktree", "add", "-q", "-b", "topic", dir)
		return dir
	}
	for name, make := range map[string]func(t *testing.T) (dir, note string){
		"no commit yet": func(t *testing.T) (string, string) { return repository(t), "" },
		"linked":        func(t *testing.T) (string, string) { return linked(t), "" },
		"subdirectory": func(t *testing.T) (string, string) {
			dir := busy(t)
			return filepath.Join(dir, "new"), ""
		},
		"detached": func(t *testing.T) (string, string) {
			dir := busy(t)
			run(t, dir, "checkout", "-q", "--detach")
			return dir, ""
		},
		"sha256": func(t *testing.T) (string, string) { return repository(t, "--object-format=sha256"), "" },
		"conflict": func(t *testing.T) (string, string) {
			dir := repository(t)
			write(t, filepath.Join(dir, "file"), "base\n")
			run(t, dir, "add", ".")
			run(t, dir, "commit", "-qm", "base")
			run(t, dir, "checkout", "-qb", "other")
			write(t, filepath.Join(dir, "file"), "other\n")
			run(t, dir, "commit", "-qam", "other")
			run(t, dir, "checkout", "-q", "main")
			write(t, filepath.Join(dir, "file"), "main\n")
			run(t, dir, "commit", "-qam", "main")
			exec.Command("git", "-C", dir, "merge", "-q", "other").Run()
			return dir, "merge conflict"
		},
		"another repository inside": func(t *testing.T) (string, string) {
			dir := busy(t)
			run(t, dir, "init", "-q", "inside")
			write(t, filepath.Join(dir, "inside", "theirs"), "stays\n")
			return dir, "inside/ is a repository of its own"
		},
		"submodule": func(t *testing.T) (string, string) {
			dir := busy(t)
			run(t, dir, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", busy(t), "module")
			write(t, filepath.Join(dir, "module", "work"), "stays\n")
			return dir, ""
		},
		"a pipe": func(t *testing.T) (string, string) {
			dir := busy(t)
			run(t, dir, "rm", "-q", "--cached", "committed")
			os.Remove(filepath.Join(dir, "committed"))
			if err := syscall.Mkfifo(filepath.Join(dir, "committed"), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir, ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, note := make(t)
			write(t, filepath.Join(dir, "mine"), "work\n")
			before := holds(t, dir)
			k := open(t, snapshot.Options{Dir: dir})
			s := take(t, k)
			if note != "" && !strings.Contains(strings.Join(s.Notes, "\n"), note) || note == "" && len(s.Notes) > 0 {
				t.Errorf("notes %q, want %q", s.Notes, note)
			}
			write(t, filepath.Join(dir, "mine"), "spoilt\n")
			write(t, filepath.Join(dir, "more"), "litter\n")
			changes, err := k.Compare(t.Context(), s.ID)
			if want := []snapshot.Change{{Path: "mine", What: "write"}, {Path: "more", What: "remove"}}; err != nil || !slices.Equal(changes, want) {
				t.Errorf("Compare = %v, %v; want %v", changes, err, want)
			}
			if r := restore(t, k, s.ID); !slices.Equal(r.Changes, changes) {
				t.Errorf("Restore changed %v, want what Compare said: %v", r.Changes, changes)
			}
			if diff := cmp.Diff(before, holds(t, dir)); diff != "" {
				t.Errorf("restored otherwise than it was: %s", diff)
			}
		})
	}
}

func TestOpen_NeedsAWorkTree(t *testing.T) {
	bare := t.TempDir()
	run(t, bare, "init", "-q", "--bare")
	for _, dir := range []string{t.TempDir(), bare, filepath.Join(repository(t), ".git"), "relative", "/no/such/place"} {
		if _, err := snapshot.Open(t.Context(), snapshot.Options{Dir: dir}); !errors.Is(err, snapshot.NoWorkTree) {
			t.Errorf("Open(%s) = %v, want no work tree", dir, err)
		}
	}
}

// A store elsewhere survives a command that destroys the repository.
func TestRestore_WithoutTheRepository(t *testing.T) {
	dir := busy(t)
	o := snapshot.Options{Dir: dir, Store: filepath.Join(t.TempDir(), "store")}
	before := holds(t, dir)
	s := take(t, open(t, o))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		os.RemoveAll(filepath.Join(dir, entry.Name()))
	}
	write(t, filepath.Join(dir, "unknown"), "stays\n")
	restore(t, open(t, o), s.ID)
	before["unknown"] = "644 stays\n"
	if diff := cmp.Diff(before, holds(t, dir)); diff != "" {
		t.Errorf("restored otherwise than it was: %s", diff)
	}
}

// A command that puts links in the way of a restore reaches nothing outside with it.
func TestRestore_StaysInTheDirectory(t *testing.T) {
	dir, outside := busy(t), t.TempDir()
	write(t, filepath.Join(outside, "file"), "not yours\n")
	write(t, filepath.Join(outside, "deep", "er", "file"), "not yours\n")
	theirs := holds(t, outside)
	before := holds(t, dir)
	k := open(t, snapshot.Options{Dir: dir})
	s := take(t, k)
	for _, name := range []string{"dir", "new", "changed", "untracked"} {
		os.RemoveAll(filepath.Join(dir, name))
	}
	os.Symlink(outside, filepath.Join(dir, "dir"))
	os.Symlink(outside, filepath.Join(dir, "new"))
	os.Symlink(filepath.Join(outside, "file"), filepath.Join(dir, "changed"))
	os.Symlink("../../../..", filepath.Join(dir, "untracked"))
	r := restore(t, k, s.ID)
	if diff := cmp.Diff(before, holds(t, dir)); diff != "" {
		t.Errorf("restored otherwise than it was: %s", diff)
	}
	if diff := cmp.Diff(theirs, holds(t, outside)); diff != "" {
		t.Errorf("outside changed: %s", diff)
	}
	if text := run(t, dir, "ls-tree", "-r", r.Before.Commit); strings.Contains(text, "new/deep") || !strings.Contains(text, "120000") {
		t.Errorf("before the restore there were links, and it is kept as\n%s", text)
	}
}

func TestRestore_KeepsWhatItWouldLose(t *testing.T) {
	dir := busy(t)
	k := open(t, snapshot.Options{Dir: dir})
	s := take(t, k)
	// Now ignored, so it is in no list of git's; a directory with ignored files where a file was; a pipe where a file was.
	write(t, filepath.Join(dir, ".git", "info", "exclude"), "untracked\n")
	write(t, filepath.Join(dir, "untracked"), "later work\n")
	os.Remove(filepath.Join(dir, "changed"))
	write(t, filepath.Join(dir, "changed", "a.log"), "ignored\n")
	os.Remove(filepath.Join(dir, "staged"))
	if err := syscall.Mkfifo(filepath.Join(dir, "staged"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := restore(t, k, s.ID)
	var kept []string
	for _, c := range r.Changes {
		if c.What == "keep" {
			kept = append(kept, c.Path)
		}
	}
	if !slices.Equal(kept, []string{"changed", "staged"}) {
		t.Errorf("kept %q, want what is in no snapshot", kept)
	}
	if text := holds(t, dir)["changed/a.log"]; text != "644 ignored\n" {
		t.Errorf("the ignored file is %q", text)
	}
	restore(t, k, r.Before.ID)
	if text := holds(t, dir)["untracked"]; text != "644 later work\n" {
		t.Errorf("what was there before is %q after going back", text)
	}
}

func TestTake_RefusesWhatIsTooLarge(t *testing.T) {
	dir := busy(t)
	write(t, filepath.Join(dir, "large"), strings.Repeat("x", 2000))
	k := open(t, snapshot.Options{Dir: dir, MaxBytes: 1000})
	_, err := k.Take(t.Context(), "")
	if !errors.Is(err, snapshot.TooLarge) {
		t.Errorf("Take = %v, want too large", err)
	}
	if all, err := k.List(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("List = %v, %v; want none", all, err)
	}
	run(t, dir, "add", "large") // git has it now, so a snapshot adds nothing much
	if s := take(t, k); s.Label != "before a test" {
		t.Errorf("the label is %q", s.Label)
	}
}

func TestPrune_DropsTheOldest(t *testing.T) {
	dir := busy(t)
	k := open(t, snapshot.Options{Dir: dir})
	for range 3 {
		take(t, k)
	}
	all, err := k.List(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("List = %v, %v", all, err)
	}
	dropped, err := k.Prune(t.Context(), 2)
	if err != nil || !cmp.Equal(dropped, all[2:]) {
		t.Errorf("Prune = %v, %v; want %v", dropped, err, all[2:])
	}
	if err := k.Drop(t.Context(), all[2].ID); !errors.Is(err, snapshot.NotFound) {
		t.Errorf("Drop of what is dropped = %v", err)
	}
	if _, err := k.Restore(t.Context(), "../heads/main"); !errors.Is(err, snapshot.NotFound) {
		t.Errorf("Restore of no snapshot = %v", err)
	}
}

// Whatever is done to the files, a snapshot brings them back, and what was there before it is one step further.
func TestRestore_BringsBackAnything(t *testing.T) {
	dir := busy(t)
	k := open(t, snapshot.Options{Dir: dir})
	paths := []string{"committed", "dir/file", "dir/other", "new/deep/er/file", "new", "x", "x/y", "x/y/z", "link", "becomes-link"}
	targets := append([]string{"..", t.TempDir(), "."}, paths...)
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		pick := func(from []string) string { return from[random.IntN(len(from))] }
		spoil := func() {
			for range 1 + random.IntN(6) {
				path := filepath.Join(dir, pick(paths))
				os.RemoveAll(path)
				os.MkdirAll(filepath.Dir(path), 0o755) // fails where a file is; then so does what follows
				switch random.IntN(4) {
				case 0:
					os.WriteFile(path, fmt.Append(nil, random.Uint64()), 0o644)
				case 1:
					os.WriteFile(path, []byte("program"), 0o644)
					os.Chmod(path, 0o755)
				case 2:
					os.Symlink(pick(targets), path)
				}
			}
		}
		spoil()
		first := holds(t, dir)
		s := take(t, k)
		spoil()
		second := holds(t, dir)
		r := restore(t, k, s.ID)
		if diff := cmp.Diff(first, holds(t, dir)); diff != "" {
			t.Fatalf("seed %d: restored otherwise than it was: %s", seed, diff)
		}
		restore(t, k, r.Before.ID)
		if diff := cmp.Diff(second, holds(t, dir)); diff != "" {
			t.Fatalf("seed %d: undone otherwise than it was: %s", seed, diff)
		}
	}
}
