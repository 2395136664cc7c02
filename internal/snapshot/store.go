package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// keep puts the contents that the target lacks into it.
func (k *Keeper) keep(ctx context.Context, found map[string]entry) error {
	missing, err := k.missing(ctx, found)
	if err != nil || len(missing) == 0 {
		return err
	}
	var size int64
	for _, path := range missing {
		size += found[path].size
	}
	if size > k.maxBytes {
		return &Error{
			Kind: TooLarge, Message: fmt.Sprintf("the snapshot would add %d MB, and at most %d MB are allowed", size>>20, k.maxBytes>>20),
			Hint: "let git ignore what is large and can be made again",
		}
	}
	temp, err := os.MkdirTemp("", "agentbridge-snapshot-")
	if err != nil {
		return failed("keep the snapshot", err)
	}
	defer os.RemoveAll(temp)
	var list bytes.Buffer
	for i, path := range missing {
		file := filepath.Join(k.dir, filepath.FromSlash(path))
		if e := found[path]; e.mode == link { // git would follow it
			file = filepath.Join(temp, strconv.Itoa(i))
			if err := os.WriteFile(file, []byte(e.text), 0o600); err != nil {
				return failed("keep the snapshot", err)
			}
		}
		list.WriteString(quote(file) + "\n")
	}
	out, err := k.target.run(ctx, &list, "hash-object", "-w", "--no-filters", "--stdin-paths")
	if err != nil {
		return err
	}
	ids := strings.Fields(string(out))
	if len(ids) != len(missing) {
		return &Error{Kind: Failed, Message: "git hash-object lost count"}
	}
	for i, path := range missing {
		e := found[path]
		e.id = ids[i] // a file that changed since is kept as it was then
		found[path] = e
	}
	return nil
}

// missing are the paths whose contents the target has not, one path for each content.
func (k *Keeper) missing(ctx context.Context, found map[string]entry) ([]string, error) {
	byID := map[string]string{}
	for path, e := range found {
		if e.mode != repository {
			byID[e.id] = path
		}
	}
	var ask bytes.Buffer
	for id := range byID {
		ask.WriteString(id + "\n")
	}
	out, err := k.target.run(ctx, &ask, "cat-file", "--batch-check=%(objecttype)", "--buffer")
	if err != nil {
		return nil, err
	}
	var missing []string
	for line := range strings.Lines(string(out)) {
		if id, ok := strings.CutSuffix(line, " missing\n"); ok {
			missing = append(missing, byID[id])
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// tree makes a tree of the entries, in an index of its own.
func (k *Keeper) tree(ctx context.Context, found map[string]entry) (string, error) {
	temp, err := os.MkdirTemp("", "agentbridge-snapshot-")
	if err != nil {
		return "", failed("keep the snapshot", err)
	}
	defer os.RemoveAll(temp)
	g := k.target
	g.index = filepath.Join(temp, "index")
	var list bytes.Buffer
	for path, e := range found {
		fmt.Fprintf(&list, "%s %s\t%s\x00", e.mode, e.id, path)
	}
	if _, err := g.run(ctx, &list, "update-index", "-z", "--index-info"); err != nil {
		return "", err
	}
	return g.line(ctx, "write-tree")
}

// staged keeps what the index holds, as a commit, and says why not. It is the second thing that can be lost: work that was added and
// then changed or removed again.
func (k *Keeper) staged(ctx context.Context) (commit, note string) {
	if k.lost {
		return "", ""
	}
	out, err := k.work.run(ctx, nil, "ls-files", "-z", "--stage")
	if err != nil {
		return "", "what is staged is not kept: the index cannot be read"
	}
	entries := map[string]entry{}
	for _, record := range records(out) {
		about, path, _ := strings.Cut(record, "\t")
		fields := strings.Fields(about)
		if len(fields) != 3 {
			continue
		}
		if fields[2] != "0" {
			note = "the sides of a merge conflict are not kept, but for the files in the work tree"
			continue
		}
		entries[path] = entry{mode: fields[0], id: fields[1]}
	}
	missing, err := k.missing(ctx, entries)
	if err == nil {
		for _, path := range missing { // in a store of its own; few, since most files are as they are in the index
			var text []byte
			if text, err = k.work.run(ctx, nil, "cat-file", "blob", entries[path].id); err != nil {
				break
			}
			if _, err = k.target.run(ctx, bytes.NewReader(text), "hash-object", "-w", "--no-filters", "--stdin"); err != nil {
				break
			}
		}
	}
	var tree string
	if err == nil {
		tree, err = k.tree(ctx, entries)
	}
	if err == nil {
		commit, err = k.target.line(ctx, "commit-tree", tree, "-m", "index")
	}
	if err != nil {
		return "", "what is staged is not kept: " + err.Error()
	}
	return commit, note
}

// load gives the entries of a snapshot.
func (k *Keeper) load(ctx context.Context, commit string) (map[string]entry, error) {
	out, err := k.target.run(ctx, nil, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	entries := map[string]entry{}
	for _, record := range records(out) {
		about, path, ok := strings.Cut(record, "\t")
		fields := strings.Fields(about)
		if !ok || len(fields) != 3 || !safe(path) {
			return nil, &Error{Kind: Failed, Message: fmt.Sprintf("the snapshot holds %q, which cannot be restored", path)}
		}
		entries[path] = entry{mode: fields[0], id: fields[2]}
	}
	return entries, nil
}

// quote writes a path as git reads one from a line.
func quote(path string) string {
	if !strings.ContainsAny(path, "\n\"\\") {
		return path
	}
	return `"` + strings.NewReplacer("\\", `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

func failed(doing string, err error) *Error {
	return &Error{Kind: Failed, Message: doing + ": " + err.Error(), cause: err}
}
