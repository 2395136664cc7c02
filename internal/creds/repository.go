package creds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// Repository is a branch of a git repository that machines share. What is in it, to see for everybody who reads it: a card of each
// machine, machines/FINGERPRINT, and sealed invites, for/FINGERPRINT/ENDS-ID. No name of anybody, and no sender.
type Repository struct {
	URL    string // as [CheckURL] gives it
	Branch string // as [CheckBranch] takes it
	Dir    string // where it keeps what it works on; of this user alone
}

const (
	tempPrefix  = "git-"
	pushTries   = 20
	tidyAfter   = 2 * time.Hour // an invite that ended is taken out by the next who pushes
	maxMachines = 1000
	maxBox      = 200 // invites for one machine that are looked at
)

var (
	cardPath   = regexp.MustCompile(`^machines/([a-z2-7]{32})$`)
	invitePath = regexp.MustCompile(`^for/([a-z2-7]{32})/([0-9]{10})-([0-9a-f]{32})$`)
	hashText   = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
)

// Tip asks for the newest commit of the branch; empty: there is no such branch.
func (r Repository) Tip(ctx context.Context) (string, error) {
	path, err := findGit(ctx)
	if err != nil {
		return "", err
	}
	return r.tip(ctx, path)
}

func (r Repository) tip(ctx context.Context, path string) (string, error) {
	ref := "refs/heads/" + r.Branch
	out, err := git{path: path}.run(ctx, nil, r.remote("ls-remote", "upload-pack", "--quiet", "--refs")("--", r.URL, ref)...)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if hash, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); name == ref && hashText.MatchString(hash) {
			return hash, nil
		}
	}
	return "", nil
}

// remote writes a command that talks to the other end, with hooks off there if that is on this machine.
func (r Repository) remote(command, program string, options ...string) func(...string) []string {
	args := append([]string{command}, options...)
	if isDirectory(r.URL) {
		args = append(args, "--"+program+"="+far(program))
	}
	return func(rest ...string) []string { return append(args, rest...) }
}

// Snapshot is the branch at one commit. Close it.
type Snapshot struct {
	Tip     string // the commit; empty: there is no branch yet
	Strange int    // things in it that agentbridge never puts there; they are passed over

	git      git
	machines map[Fingerprint]string // the object of each card
	boxes    map[Fingerprint][]entry
}

type entry struct {
	path, object string
	ends         time.Time // as its name says, which anybody can write
}

// Read fetches the branch as it is now, without its history, to look at it. Whatever was there before does not matter: it may have been
// rewritten.
func (r Repository) Read(ctx context.Context) (*Snapshot, error) {
	path, err := findGit(ctx)
	if err != nil {
		return nil, err
	}
	tip, err := r.tip(ctx, path)
	if err != nil {
		return nil, err
	}
	r.sweep()
	dir, err := os.MkdirTemp(r.Dir, tempPrefix)
	if err != nil {
		return nil, bridge.Errorf(bridge.Unavailable, "%w", err).WithHint("the data directory must be writable")
	}
	s := &Snapshot{Tip: tip, git: git{path, dir}, machines: map[Fingerprint]string{}, boxes: map[Fingerprint][]entry{}}
	if err := s.load(ctx, r); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close removes what was fetched.
func (s *Snapshot) Close() { _ = os.RemoveAll(s.git.dir) }

// sweep removes what processes left that were killed.
func (r Repository) sweep() {
	left, _ := filepath.Glob(filepath.Join(r.Dir, tempPrefix+"*"))
	for _, dir := range left {
		if info, err := os.Lstat(dir); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(dir)
		}
	}
}

const fetchedRef = "refs/creds/tip"

func (s *Snapshot) load(ctx context.Context, r Repository) error {
	format := "--object-format=sha1"
	if len(s.Tip) == 64 {
		format = "--object-format=sha256"
	}
	if _, err := s.git.run(ctx, nil, "-c", "init.defaultBranch=none", "init", "--quiet", "--bare", "--template=", format); err != nil || s.Tip == "" {
		return err
	}
	fetch := r.remote("fetch", "upload-pack", "--quiet", "--no-tags", "--depth=1", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
	if err := s.git.fetching(ctx, fetch("--", r.URL, "+refs/heads/"+r.Branch+":"+fetchedRef)...); err != nil {
		return err
	}
	tip, err := s.git.run(ctx, nil, "rev-parse", "--verify", "--quiet", fetchedRef+"^{commit}")
	if s.Tip = strings.TrimSpace(string(tip)); err != nil || !hashText.MatchString(s.Tip) {
		return notOurs(r.Branch)
	}
	tree, err := s.git.run(ctx, nil, "ls-tree", "-r", "-l", "-z", "--full-tree", s.Tip)
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(tree), "\x00"), "\x00") {
		if line != "" && !s.take(line) {
			s.Strange++
		}
	}
	if len(s.machines) == 0 && s.Strange > 0 {
		return notOurs(r.Branch)
	}
	return nil
}

func notOurs(branch string) error {
	return bridge.Errorf(bridge.Invalid, "the branch %s holds other things than machines' cards", branch).
		WithHint("leave it to those, and name another: agentbridge creds init ADDRESS --branch %s", DefaultBranch)
}

// take reads one line of ls-tree. What has not the form of what we write, is not there.
func (s *Snapshot) take(line string) bool {
	facts, path, _ := strings.Cut(line, "\t")
	f := strings.Fields(facts)
	if len(f) != 4 || f[0] != "100644" || f[1] != "blob" {
		return false
	}
	size, err := strconv.Atoi(f[3])
	if err != nil {
		return false
	}
	if m := cardPath.FindStringSubmatch(path); m != nil && size <= maxCard && len(s.machines) < maxMachines {
		s.machines[Fingerprint(m[1])] = f[2]
		return true
	}
	if m := invitePath.FindStringSubmatch(path); m != nil && size <= maxInvite {
		box := Fingerprint(m[1])
		seconds, _ := strconv.ParseInt(m[2], 10, 64)
		s.boxes[box] = append(s.boxes[box], entry{path, f[2], time.Unix(seconds, 0)})
		return true
	}
	return false
}

// Machines are those whose card is in the repository, in no order, whoever put it there.
func (s *Snapshot) Machines() (all []Fingerprint) {
	for f := range s.machines {
		all = append(all, f)
	}
	return all
}

// Machine gives the keys of a machine whose fingerprint is known.
func (s *Snapshot) Machine(ctx context.Context, f Fingerprint) (Machine, error) {
	object, ok := s.machines[f]
	if !ok {
		return Machine{}, bridge.Errorf(bridge.NotFound, "there is no machine with the fingerprint %s in the repository", f).
			WithHint("run `agentbridge creds init` there with the same repository and branch, and compare the fingerprint once more")
	}
	texts, err := s.read(ctx, []string{object})
	if err != nil {
		return Machine{}, err
	}
	return ParseCard(f, texts[0])
}

// Box gives the sealed invites that lie there for a machine and may be good now, those that end last first, and no more than a few hundred.
func (s *Snapshot) Box(ctx context.Context, of Fingerprint, now time.Time) ([][]byte, error) {
	var objects []string
	for _, e := range slices.Backward(s.boxes[of]) { // git sorts by name, which begins with the time
		if len(objects) < maxBox && e.ends.After(now.Add(-Skew)) && e.ends.Before(now.Add(MaxLife+Skew)) {
			objects = append(objects, e.object)
		}
	}
	return s.read(ctx, objects)
}

// read gives the contents of objects that have been found small.
func (s *Snapshot) read(ctx context.Context, objects []string) (texts [][]byte, err error) {
	if len(objects) == 0 {
		return nil, nil
	}
	out, err := s.git.run(ctx, []byte(strings.Join(objects, "\n")+"\n"), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		head, rest, _ := bytes.Cut(out, []byte("\n"))
		size := 0
		if _, err := fmt.Sscanf(string(head), object+" blob %d", &size); err != nil || size < 0 || len(rest) <= size {
			return nil, bridge.Errorf(bridge.Unavailable, "git does not give what it fetched").WithHint("try again")
		}
		texts, out = append(texts, rest[:size:size]), rest[size+1:]
	}
	return texts, nil
}

// Publish adds files to the branch, in one commit on top of whatever is there, and makes the branch where there is none. change gives the
// files by path, and is called again for each try where others pushed in between; where it gives none, nothing is done.
func (r Repository) Publish(ctx context.Context, now time.Time, change func(*Snapshot) (map[string][]byte, error)) error {
	for try := 1; ; try++ {
		err := r.publish(ctx, now, change)
		if !errors.Is(err, errBehind) || try == pushTries {
			return err
		}
		select {
		case <-time.After(rand.N(time.Duration(try) * 100 * time.Millisecond)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r Repository) publish(ctx context.Context, now time.Time, change func(*Snapshot) (map[string][]byte, error)) error {
	s, err := r.Read(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	files, err := change(s)
	if err != nil || len(files) == 0 {
		return err
	}
	commit, err := s.commit(ctx, files, now)
	if err != nil {
		return err
	}
	push := r.remote("push", "receive-pack", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", "--no-signed")
	_, err = s.git.run(ctx, nil, push("--", r.URL, commit+":refs/heads/"+r.Branch)...)
	return err
}

// commit writes what is there and good, without what ended, and the new files. What agentbridge never puts there is left out, unless it
// is nothing of ours at all: that was refused before.
func (s *Snapshot) commit(ctx context.Context, files map[string][]byte, now time.Time) (string, error) {
	var index strings.Builder
	keep := func(object, path string) { fmt.Fprintf(&index, "100644 %s\t%s\n", object, path) }
	for f, object := range s.machines {
		keep(object, "machines/"+string(f))
	}
	for _, box := range s.boxes {
		for _, e := range box {
			if now.Before(e.ends.Add(tidyAfter)) && e.ends.Before(now.Add(tidyAfter)) {
				keep(e.object, e.path)
			}
		}
	}
	for path, text := range files {
		object, err := s.git.run(ctx, text, "hash-object", "-w", "--stdin", "--no-filters")
		if err != nil {
			return "", err
		}
		keep(strings.TrimSpace(string(object)), path)
	}
	if _, err := s.git.run(ctx, []byte(index.String()), "update-index", "--add", "--index-info"); err != nil {
		return "", err
	}
	tree, err := s.git.run(ctx, nil, "write-tree")
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", "-m", "agentbridge creds"}
	if s.Tip != "" {
		args = append(args, "-p", s.Tip)
	}
	commit, err := s.git.run(ctx, nil, append(args, strings.TrimSpace(string(tree)))...)
	return strings.TrimSpace(string(commit)), err
}

// HasCard reports whether a machine is published as it is.
func (s *Snapshot) HasCard(ctx context.Context, m Machine) bool {
	there, err := s.Machine(ctx, m.Fingerprint())
	return err == nil && there.Age == m.Age
}

// CardFile is where a machine's card is.
func CardFile(f Fingerprint) string { return "machines/" + string(f) }

// InviteFile is where a sealed invite is. Its name says for which machine it is and when it ends.
func InviteFile(i Invite) string {
	return fmt.Sprintf("for/%s/%010d-%s", string(i.To), i.Expires.Unix(), i.ID)
}
