// Package snapshot keeps what a directory of a git work tree holds, uncommitted and untracked work too, and brings it back.
//
// A snapshot is a commit on a ref of its own, in the repository itself or in one kept elsewhere. Taking and restoring use the git
// program for objects and refs alone: files are read and written here, byte for byte, so that no hook, filter, file system monitor
// or setting of the repository is obeyed, and the index is neither read for contents nor written.
//
// Not in a snapshot: ignored files, empty directories, what lies in submodules and other repositories inside the directory,
// devices, pipes and sockets. [Snapshot.Notes] names what was left out, but for the ignored files.
package snapshot

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Options say whose snapshots these are and where they are kept.
type Options struct {
	// Dir is the work tree, or a directory of it: then only that directory is kept and restored. Absolute.
	Dir string

	// Store is a bare repository for the snapshots, made when first needed. It holds all it needs itself, so it survives a command that
	// destroys .git; keep it where commands cannot reach. Empty for the repository of Dir, which takes no second copy of what is
	// committed there. Several directories must not share a store.
	Store string

	// MaxBytes is the most that one snapshot may add, before compression; 2 GiB if zero.
	MaxBytes int64
}

// Keeper takes and restores the snapshots of one directory. One process at a time should restore; taking is safe at any time,
// though a file that changes meanwhile is kept in one of its states.
type Keeper struct {
	dir      string
	target   git  // where snapshots are
	work     git  // where the files are
	lost     bool // the repository of dir is gone, the store is not
	maxBytes int64
}

// Snapshot is what a directory held at a time.
type Snapshot struct {
	ID     string    `json:"snapshot_id"` // names it in time order
	Commit string    `json:"commit"`
	Taken  time.Time `json:"taken_at"`
	Label  string    `json:"label"` // what it was taken for, one line
	Files  int       `json:"files"`
	Notes  []string  `json:"notes,omitempty"` // what is not in it; only [Keeper.Take] says so
}

// Kind is the kind of an [Error], an error itself for use with [errors.Is].
type Kind string

// The kinds.
const (
	NoWorkTree Kind = "no work tree" // the directory is in none, or git is not installed
	NotFound   Kind = "not found"    // there is no such snapshot
	TooLarge   Kind = "too large"    // it would add more than Options.MaxBytes; nothing was kept
	Failed     Kind = "failed"       // git or the file system did not do what was asked
)

func (k Kind) Error() string { return string(k) }

// Error is why there is no snapshot, or why one was not restored.
type Error struct {
	Kind    Kind
	Message string
	Hint    string
	cause   error
}

func (e *Error) Error() string { return e.Message }

// Is reports whether target is this error's kind.
func (e *Error) Is(target error) bool { return e.Kind == target }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// refs is where snapshots are, in the repository that holds them.
const refs = "refs/agentbridge/snapshots/"

// Open finds the repository of the directory. The error is of kind [NoWorkTree] if there is none. If there is none any more, a store
// that was made before still serves: then what is ignored is not known, so restoring writes what the snapshot holds and removes nothing.
func Open(ctx context.Context, o Options) (*Keeper, error) {
	if !filepath.IsAbs(o.Dir) {
		return nil, &Error{Kind: NoWorkTree, Message: fmt.Sprintf("%q is not an absolute path", o.Dir), Hint: "give its absolute path"}
	}
	k := &Keeper{dir: o.Dir, maxBytes: o.MaxBytes}
	if k.maxBytes == 0 {
		k.maxBytes = 2 << 30
	}
	k.work = git{dir: o.Dir}
	k.target = git{dir: o.Dir, store: o.Store}
	stored := o.Store != "" && exists(filepath.Join(o.Store, "objects"))
	out, err := k.work.lines(ctx, "rev-parse", "--is-inside-work-tree", "--show-object-format")
	if err != nil || len(out) != 2 || out[0] != "true" {
		if format, serr := k.target.line(ctx, "rev-parse", "--show-object-format"); stored && serr == nil {
			k.lost, k.work.format = true, format
			return k, nil
		}
		return nil, &Error{Kind: NoWorkTree, Message: fmt.Sprintf("%s is not in a git work tree, so there is nothing to take a snapshot with", o.Dir), Hint: "git init makes one; git must be installed", cause: err}
	}
	k.work.format = out[1]
	if o.Store != "" && !stored {
		if _, err := k.work.run(ctx, nil, "init", "--quiet", "--bare", "--template=", "--object-format="+out[1], o.Store); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Take keeps what the directory holds now. The label says what for.
func (k *Keeper) Take(ctx context.Context, label string) (Snapshot, error) {
	return k.take(ctx, label, nil)
}

// take keeps the paths in extra, too, where they exist, ignored or not.
func (k *Keeper) take(ctx context.Context, label string, extra []string) (Snapshot, error) {
	found, notes, err := k.scan(ctx, extra)
	if err != nil {
		return Snapshot{}, err
	}
	if err := k.keep(ctx, found); err != nil {
		return Snapshot{}, err
	}
	tree, err := k.tree(ctx, found)
	if err != nil {
		return Snapshot{}, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	s := Snapshot{
		ID:    now.Format("20060102T150405Z-") + strings.ToLower(rand.Text()[:6]),
		Taken: now, Label: oneLine(label), Files: len(found), Notes: notes,
	}
	args := []string{"commit-tree", tree, "-m", s.Label + "\n\n" + fmt.Sprintf("Files: %d\n", s.Files)}
	staged, note := k.staged(ctx)
	if staged != "" {
		args = append(args, "-p", staged)
	}
	if note != "" {
		s.Notes = append(s.Notes, note)
	}
	if s.Commit, err = k.target.line(ctx, args...); err != nil {
		return Snapshot{}, err
	}
	if _, err := k.target.run(ctx, nil, "update-ref", refs+s.ID, s.Commit, ""); err != nil {
		return Snapshot{}, err
	}
	return s, nil
}

// oneLine is the label as it can be a commit's subject.
func oneLine(label string) string {
	if label = strings.Join(strings.Fields(label), " "); label == "" {
		return "snapshot"
	}
	return label
}

// List gives the snapshots, the newest first.
func (k *Keeper) List(ctx context.Context) ([]Snapshot, error) {
	out, err := k.target.run(ctx, nil, "for-each-ref", "--format=%(refname)%00%(objectname)%00%(committerdate:unix)%00%(contents:subject)%00%(contents:body)%00%00", refs)
	if err != nil {
		return nil, err
	}
	var found []Snapshot
	for record := range strings.SplitSeq(string(out), "\x00\x00\n") {
		fields := strings.Split(record, "\x00")
		if len(fields) < 5 {
			continue
		}
		s := Snapshot{ID: strings.TrimPrefix(fields[0], refs), Commit: fields[1], Label: fields[3]}
		var seconds int64
		fmt.Sscan(fields[2], &seconds)
		s.Taken = time.Unix(seconds, 0).UTC()
		fmt.Sscanf(fields[4], "Files: %d", &s.Files)
		found = append(found, s)
	}
	slices.SortFunc(found, func(a, b Snapshot) int { return strings.Compare(b.ID, a.ID) })
	return found, nil
}

// find gives one snapshot by its id.
func (k *Keeper) find(ctx context.Context, id string) (Snapshot, error) {
	all, err := k.List(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	if i := slices.IndexFunc(all, func(s Snapshot) bool { return s.ID == id }); i >= 0 {
		return all[i], nil
	}
	return Snapshot{}, &Error{Kind: NotFound, Message: fmt.Sprintf("there is no snapshot %q", id), Hint: "agentbridge restore-snapshot --list shows them"}
}

// Drop forgets a snapshot. What only it held goes when git next cleans up.
func (k *Keeper) Drop(ctx context.Context, id string) error {
	s, err := k.find(ctx, id)
	if err == nil {
		_, err = k.target.run(ctx, nil, "update-ref", "-d", refs+s.ID, s.Commit)
	}
	return err
}

// Prune drops all but the newest snapshots and gives what it dropped.
func (k *Keeper) Prune(ctx context.Context, keep int) (dropped []Snapshot, err error) {
	all, err := k.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range all[min(keep, len(all)):] {
		if err := k.Drop(ctx, s.ID); err != nil {
			return dropped, err
		}
		dropped = append(dropped, s)
	}
	return dropped, nil
}
