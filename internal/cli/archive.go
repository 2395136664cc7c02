package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/archive"
	"agentbridge/internal/bridge"
)

// counted shows on a terminal how far long work is.
type counted struct {
	p     *program
	what  string
	n     int64
	shown time.Time
	tty   bool
}

func (p *program) counted(what string) *counted {
	f, ok := p.stderr.(*os.File)
	return &counted{p: p, what: what, tty: ok && isTerminal(f)}
}

func (c *counted) add() {
	c.n++
	if c.tty && c.n%256 == 0 && time.Since(c.shown) > 200*time.Millisecond {
		c.shown = time.Now()
		fmt.Fprintf(c.p.stderr, "\r%s: %d rows", c.what, c.n)
	}
}

func (c *counted) end() {
	if c.tty && !c.shown.IsZero() {
		fmt.Fprint(c.p.stderr, "\r\x1b[K")
	}
}

// sums dumps a store and gives what its tables hold; each may be nil.
func sums(ctx context.Context, from engine, c *counted, table func(archive.Table) error, row func([]any) error) (map[string]archive.Sum, error) {
	all := map[string]archive.Sum{}
	var tally *archive.Tally
	name := ""
	end := func() {
		if tally != nil {
			all[name] = tally.Sum()
		}
	}
	err := from.Dump(ctx, func(t archive.Table) error {
		end()
		name, tally = t.Name, archive.NewTally(t)
		if table != nil {
			return table(t)
		}
		return nil
	}, func(values []any) error {
		c.add()
		if err := tally.Add(values); err != nil {
			return err
		}
		if row != nil {
			return row(values)
		}
		return nil
	})
	end()
	return all, err
}

// differ says in which tables two stores differ; empty: in none.
func differ(a, b map[string]archive.Sum) string {
	var names []string
	for name := range a {
		if a[name] != b[name] {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// loadError gives what loading refuses its code.
func loadError(err error, where string) error {
	switch {
	case errors.Is(err, archive.Held):
		return bridge.Errorf(bridge.Conflict, "%s is not empty", where).WithHint("name one where nothing is yet; nothing was changed")
	case errors.Is(err, archive.Unknown):
		return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("use the agentbridge that made it, and let the newer one upgrade the result by starting it")
	case errors.Is(err, archive.ErrNone):
		return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("take another backup; nothing was changed")
	}
	return err
}

// checkedLogs verifies every log of a store that was filled just now.
func (o *opened) checkedLogs(ctx context.Context) (logs int, err error) {
	reports, err := o.svc.AuditVerify(ctx, "")
	for _, r := range reports {
		if r.Fault != "" {
			return len(reports), bridge.Errorf(bridge.Internal, "the log of %s does not verify: %s", r.Log, r.Fault).WithHint("agentbridge audit verify shows more; do not use this store")
		}
	}
	return len(reports), err
}

// ownFilesOf are the files of a data directory that cannot be made again: keys, tokens, certificates, settings. Not the store, what
// others remember of its log, and what can be made anew.
func ownFilesOf(dir string) (list []archive.File, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case d.IsDir() && (slices.Contains([]string{"run", "caches", "snapshots"}, name) || strings.HasSuffix(name, ".git")):
			return fs.SkipDir
		case !d.Type().IsRegular(), strings.HasPrefix(name, "bridge.db"), strings.HasPrefix(name, "witness"), strings.HasSuffix(name, ".witness"),
			strings.HasSuffix(name, ".lock"), strings.HasPrefix(filepath.Base(name), ".new-"), strings.HasPrefix(name, "postgres-"):
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxOwnFile {
			return bridge.Errorf(bridge.Invalid, "%s is too large to be one of agentbridge's files", path).WithHint("move it out of the data directory, or use --without-keys")
		}
		data, err := os.ReadFile(path)
		list = append(list, archive.File{Path: name, Mode: uint32(info.Mode().Perm()), Data: data})
		return err
	})
	return list, err
}

const maxOwnFile = 4 << 20

// openArchive opens a file that holds an archive.
func openArchive(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bridge.Errorf(bridge.NotFound, "open the backup: %w", err).WithHint("name a file that agentbridge backup made")
	}
	return f, nil
}
