package creds

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// gitIn runs git as a writer of the repository would, with its own configuration.
func gitIn(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "core.compression=0"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// shared is an empty repository, seen from one machine.
func shared(t testing.TB) Repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("git is needed for this test: apt install git")
	}
	dir := t.TempDir()
	gitIn(t, dir, "", "init", "-q", "--bare")
	return Repository{URL: dir, Branch: DefaultBranch, Dir: t.TempDir()}
}

func (r Repository) add(t testing.TB, files map[string][]byte) {
	t.Helper()
	err := r.Publish(t.Context(), time.Now(), func(*Snapshot) (map[string][]byte, error) { return files, nil })
	if err != nil {
		t.Fatal(err)
	}
}

func published(t testing.TB, r Repository) *Identity {
	t.Helper()
	id := newIdentity(t)
	r.add(t, map[string][]byte{CardFile(id.Machine().Fingerprint()): id.Card()})
	return id
}

func read(t testing.TB, r Repository) *Snapshot {
	t.Helper()
	s, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// hostileTree adds to the branch what a writer of the repository wants; lines are those of update-index --index-info.
func (r Repository) hostileTree(t testing.TB, lines string) {
	t.Helper()
	gitIn(t, r.URL, "", "read-tree", r.Branch)
	gitIn(t, r.URL, lines, "update-index", "--add", "--index-info")
	commit := gitIn(t, r.URL, "", "commit-tree", "-m", "x", "-p", r.Branch, gitIn(t, r.URL, "", "write-tree", "--missing-ok"))
	gitIn(t, r.URL, "", "update-ref", "refs/heads/"+r.Branch, commit)
}

func (r Repository) object(t testing.TB, text string) string {
	t.Helper()
	return gitIn(t, r.URL, text, "hash-object", "-w", "--stdin")
}

func TestRepository_BringsAnInviteAndKeepsNothingHere(t *testing.T) {
	r := shared(t)
	s, err := r.Read(t.Context())
	if err != nil || s.Tip != "" || len(s.Machines()) != 0 {
		t.Fatalf("Read = %+v, %v, want nothing in an empty repository", s, err)
	}
	s.Close()
	alpha, beta := published(t, r), published(t, r)
	now := time.Now()
	want, text := sealed(t, alpha, beta.Machine(), now)
	r.add(t, map[string][]byte{InviteFile(want): text})
	if s, err = r.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	box, err := s.Box(t.Context(), beta.Machine().Fingerprint(), now)
	if err != nil || len(box) != 1 {
		t.Fatalf("the box holds %d, %v, want 1", len(box), err)
	}
	m, err := s.Machine(t.Context(), alpha.Machine().Fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := beta.Open(box[0], []Machine{m}, now); err != nil || got != want {
		t.Errorf("Open = %+v, %v, want %+v", got, err, want)
	}
	if other, err := s.Box(t.Context(), alpha.Machine().Fingerprint(), now); err != nil || len(other) != 0 {
		t.Errorf("the sender's box holds %d, %v", len(other), err)
	}
	s.Close()
	if left, err := os.ReadDir(r.Dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	names := gitIn(t, r.URL, "", "log", "--format=%an %ae %cn %ce %s", r.Branch)
	for line := range strings.Lines(names) {
		if strings.TrimSpace(line) != "agentbridge agentbridge@localhost agentbridge agentbridge@localhost agentbridge creds" {
			t.Errorf("the history says %q", line)
		}
	}
}

// git hands the name of a directory to a shell at the far end.
func TestRepository_ADirectoryMayHaveAnyName(t *testing.T) {
	for _, name := range []string{"with space", "it's", "$(exit 1)", "`exit 1`", "a;b&&c", "-x", "\"q\"", "wörk"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		gitIn(t, dir, "", "init", "-q", "--bare")
		address, err := CheckURL(dir)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		r := Repository{address, DefaultBranch, t.TempDir()}
		published(t, r)
		if got := len(read(t, r).Machines()); got != 1 {
			t.Errorf("%q: %d machines, want 1", name, got)
		}
	}
}

func TestRepository_ManyWriteAtOnceAndNothingIsLost(t *testing.T) {
	r := shared(t)
	var all sync.WaitGroup
	want := make([]Fingerprint, 8)
	for n := range want {
		all.Go(func() {
			mine := Repository{r.URL, r.Branch, t.TempDir()}
			want[n] = published(t, mine).Machine().Fingerprint()
		})
	}
	all.Wait()
	s := read(t, r)
	for _, f := range want {
		if _, err := s.Machine(t.Context(), f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	if merges := gitIn(t, r.URL, "", "rev-list", "--count", r.Branch); merges != "8" {
		t.Errorf("%s commits, want 8, one after the other", merges)
	}
}

func TestRepository_WhatEndedIsTakenOutAndWhatIsNotOursToo(t *testing.T) {
	r := shared(t)
	alpha, beta := published(t, r), published(t, r)
	now := time.Now()
	old, text := sealed(t, alpha, beta.Machine(), now.Add(-3*time.Hour))
	r.add(t, map[string][]byte{InviteFile(old): text})
	fresh, text := sealed(t, alpha, beta.Machine(), now)
	object := r.object(t, "hello")
	r.hostileTree(t, "100644 "+object+"\tREADME.md\n120000 "+object+"\tmachines/link\n100755 "+object+"\tmachines/"+strings.Repeat("a", 32)+"\n")
	if s := read(t, r); s.Strange != 3 {
		t.Errorf("%d strange things, want 3", s.Strange)
	}
	r.add(t, map[string][]byte{InviteFile(fresh): text})
	got := strings.Fields(gitIn(t, r.URL, "", "ls-tree", "-r", "--name-only", r.Branch))
	if len(got) != 3 || got[0] != InviteFile(fresh) {
		t.Errorf("the branch holds %v, want both cards and the newer invite", got)
	}
}

// A writer of the repository puts things there that harm whoever checks them out, runs them, or reads them whole.
func TestRepository_NothingThatIsInItHasAnEffect(t *testing.T) {
	trap := filepath.Join(t.TempDir(), "ran")
	script := "#!/bin/sh\ntouch " + trap + "\nexit 1\n"
	r := shared(t)
	alpha, beta := published(t, r), published(t, r)
	now := time.Now()
	i, text := sealed(t, alpha, beta.Machine(), now)
	r.add(t, map[string][]byte{InviteFile(i): text})

	for _, hook := range []string{"pre-receive", "update", "post-receive", "post-update", "reference-transaction", "push-to-checkout", "proc-receive", "pre-push", "post-checkout", "pre-auto-gc"} {
		if err := os.WriteFile(filepath.Join(r.URL, "hooks", hook), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	box := "for/" + string(beta.Machine().Fingerprint()) + "/"
	ends := fmt.Sprint(now.Add(5 * time.Minute).Unix())
	var index strings.Builder
	put := func(mode, object, path string) { fmt.Fprintf(&index, "%s %s\t%s\n", mode, object, path) }
	hostile := r.object(t, script)
	put("100644", r.object(t, "* filter=x diff=x\n"), ".gitattributes")
	put("100644", r.object(t, "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% "+trap+"\n"), ".gitmodules")
	put("160000", strings.Repeat("1", 40), "x")
	put("120000", r.object(t, "/etc/passwd"), box+ends+"-"+strings.Repeat("1", 32))
	put("120000", r.object(t, "/etc"), "machines/"+strings.Repeat("b", 32))
	put("100644", r.object(t, strings.Repeat("x", maxInvite+1)), box+ends+"-"+strings.Repeat("2", 32))
	put("100644", hostile, box+ends+"-"+strings.Repeat("3", 32))
	put("100644", r.object(t, ""), box+ends+"-"+strings.Repeat("4", 32))
	put("100755", hostile, box+ends+"-"+strings.Repeat("5", 32))
	put("100644", hostile, box+"9999999999-"+strings.Repeat("6", 32))
	put("100644", hostile, box+"--upload-pack=x")
	put("100644", hostile, "machines/\x1b[2J\x1b]0;x\a")
	put("100644", hostile, CardFile(newIdentity(t).Machine().Fingerprint()))
	if err := os.Rename(filepath.Join(r.URL, "hooks"), filepath.Join(r.URL, "off")); err != nil {
		t.Fatal(err) // they are not to run for the writer
	}
	r.hostileTree(t, index.String())
	if err := os.Rename(filepath.Join(r.URL, "off"), filepath.Join(r.URL, "hooks")); err != nil {
		t.Fatal(err)
	}

	s := read(t, r)
	texts, err := s.Box(t.Context(), beta.Machine().Fingerprint(), now)
	if err != nil || len(texts) != 3 {
		t.Fatalf("%d files are looked at, %v, want 3: the invite, the script and the empty one", len(texts), err)
	}
	good := 0
	for _, text := range texts {
		if got, err := beta.Open(text, []Machine{alpha.Machine()}, now); err == nil && got == i {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d invites are good, want 1", good)
	}
	published(t, r) // a push, with all these hooks at the far end
	if _, err := os.Stat(trap); err == nil {
		t.Error("something of the repository was run")
	}
}

func TestRepository_AGiantIsNotTaken(t *testing.T) {
	r := shared(t)
	alpha := published(t, r)
	noise := make([]byte, maxFetched+2<<20)
	rand.Read(noise)
	r.hostileTree(t, "100644 "+r.object(t, string(noise))+"\tmachines/giant\n")
	if _, err := r.Read(t.Context()); !isCode(err, bridge.Invalid) {
		t.Errorf("a giant file: %v, want invalid", err)
	}
	if left, err := os.ReadDir(r.Dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left of it, %v", left, err)
	}

	r = shared(t)
	r.add(t, map[string][]byte{CardFile(alpha.Machine().Fingerprint()): alpha.Card()})
	var index strings.Builder
	object := r.object(t, "x")
	for n := range 30000 {
		fmt.Fprintf(&index, "100644 %s\tfor/%s/%s-%032x\n", object, strings.Repeat("a", 32), "1700000000", n)
	}
	r.hostileTree(t, index.String())
	if _, err := r.Read(t.Context()); !isCode(err, bridge.Invalid) {
		t.Errorf("very many files: %v, want invalid", err)
	}
}

func TestBox_OfAFloodOnlySomeAreLookedAt(t *testing.T) {
	r := shared(t)
	beta := published(t, r)
	now := time.Now()
	files := map[string][]byte{}
	for n := range 3 * maxBox {
		files[fmt.Sprintf("for/%s/%d-%032x", string(beta.Machine().Fingerprint()), now.Add(time.Duration(n)*time.Second).Unix(), n)] = []byte("junk")
	}
	var index strings.Builder
	object := r.object(t, "junk")
	for path := range files {
		fmt.Fprintf(&index, "100644 %s\t%s\n", object, path)
	}
	r.hostileTree(t, index.String())
	if box, err := read(t, r).Box(t.Context(), beta.Machine().Fingerprint(), now); err != nil || len(box) != maxBox {
		t.Errorf("%d files are looked at, %v, want %d", len(box), err, maxBox)
	}
}

func TestRepository_AHistoryThatWasRewrittenIsReadAndContinued(t *testing.T) {
	r := shared(t)
	alpha := published(t, r)
	before := gitIn(t, r.URL, "", "rev-parse", r.Branch)
	beta := published(t, r)
	gitIn(t, r.URL, "", "update-ref", "refs/heads/"+r.Branch, before) // as a forced push does
	s := read(t, r)
	if len(s.Machines()) != 1 {
		t.Fatalf("%d machines, want 1", len(s.Machines()))
	}
	orphan := gitIn(t, r.URL, "", "commit-tree", "-m", "x", before+"^{tree}")
	gitIn(t, r.URL, "", "update-ref", "refs/heads/"+r.Branch, orphan)
	r.add(t, map[string][]byte{CardFile(beta.Machine().Fingerprint()): beta.Card()})
	s = read(t, r)
	if _, err := s.Machine(t.Context(), alpha.Machine().Fingerprint()); err != nil || len(s.Machines()) != 2 {
		t.Errorf("%d machines, %v, want both", len(s.Machines()), err)
	}
}

// In between, the branch is rewritten: the push must not bring back what was there.
func TestPublish_IsDoneAnewWhereTheBranchMoved(t *testing.T) {
	r := shared(t)
	published(t, r)
	id, tries := newIdentity(t), 0
	err := r.Publish(t.Context(), time.Now(), func(s *Snapshot) (map[string][]byte, error) {
		if tries++; tries == 1 {
			published(t, Repository{r.URL, r.Branch, t.TempDir()})
		}
		return map[string][]byte{CardFile(id.Machine().Fingerprint()): id.Card()}, nil
	})
	if err != nil || tries != 2 || len(read(t, r).Machines()) != 3 {
		t.Errorf("Publish = %v after %d tries, with %d machines there, want 2 tries and 3 machines", err, tries, len(read(t, r).Machines()))
	}
}

func TestRepository_SaysWhatIsWrongWithTheOtherEnd(t *testing.T) {
	r := shared(t)
	other := shared(t)
	gitIn(t, other.URL, "", "update-ref", "refs/heads/main", gitIn(t, other.URL, "", "commit-tree", "-m", "x",
		gitIn(t, other.URL, "100644 blob "+other.object(t, "hello")+"\tREADME.md\n", "mktree")))
	other.Branch = "main"
	gone := Repository{filepath.Join(r.Dir, "gone"), r.Branch, r.Dir}
	empty := Repository{t.TempDir(), r.Branch, r.Dir}
	id := newIdentity(t)
	publish := func(r Repository) error {
		return r.Publish(t.Context(), time.Now(), func(*Snapshot) (map[string][]byte, error) {
			return map[string][]byte{CardFile(id.Machine().Fingerprint()): id.Card()}, nil
		})
	}
	before := gitIn(t, other.URL, "", "rev-parse", "main")
	for name, test := range map[string]struct {
		r    Repository
		want bridge.Code
	}{
		"a branch of something else": {other, bridge.Invalid}, "no directory": {gone, bridge.NotFound}, "no repository": {empty, bridge.NotFound},
	} {
		if _, err := test.r.Read(t.Context()); !isCode(err, test.want) || bridge.AsError(err).Hint == "" {
			t.Errorf("%s: Read: %v, want %s with a hint", name, err, test.want)
		}
		if err := publish(test.r); !isCode(err, test.want) {
			t.Errorf("%s: Publish: %v, want %s", name, err, test.want)
		}
	}
	if now := gitIn(t, other.URL, "", "rev-parse", "main"); now != before {
		t.Error("a branch of something else was written to")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(ctx); err == nil {
		t.Error("Read went on though its context had ended")
	}
}
