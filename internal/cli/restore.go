package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"agentbridge/internal/archive"
	"agentbridge/internal/bridge"
	"agentbridge/internal/postgres"
	"agentbridge/internal/sqlite"
)

func (p *program) restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup into an empty data directory or database",
		Long: `Put what agentbridge backup kept into a data directory (--data) and a store (--store) where nothing is yet. The backup is checked to its end
before anything is written, all rows are there or none, what was loaded is compared with what was kept, and every log is verified.

A backup is older than what went on after it: whoever saw the log further on, such as this machine if it is the same data
directory, says that it was rolled back. That is so: agentbridge audit accept takes note of it.

Where commands were enabled then, they no longer are: a person may have disabled them since, and what was approved may have run.`,
		Args: count(1, 1, "one file that agentbridge backup made"),
	}
	p.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := p.loadConfig()
		if err != nil {
			return err
		}
		return p.restore(cmd.Context(), conf, args[0])
	}
	return cmd
}

func (p *program) restore(ctx context.Context, conf *config, path string) error {
	var files []archive.File
	header, kept, err := readArchive(path, archive.Visitor{File: func(f archive.File) error {
		files = append(files, f)
		return nil
	}})
	if err != nil {
		return loadError(err, "")
	}
	if err := dataDir(conf.Data, p.log); err != nil {
		return err
	}
	if err := putFiles(conf.Data, files); err != nil {
		return err
	}
	if !header.Keys && os.Getenv(keysVariable) == "" && !fileIsThere(keyPath(conf.Data)) {
		return bridge.Errorf(bridge.Invalid, "the backup holds no keys, and %s has none", conf.Data).WithHint("put bridge.key of that time there first: without it the store is of no use")
	}
	to, err := openBare(ctx, conf.Store, p, false)
	if err != nil {
		return err
	}
	c := p.counted("restored")
	err = to.Load(ctx, func(table func(archive.Table) error, row func([]any) error) error {
		_, _, err := readArchive(path, archive.Visitor{Table: table, Row: func(values []any) error { c.add(); return row(values) }})
		return err
	})
	c.end()
	var got map[string]archive.Sum
	if err == nil {
		got, err = sums(ctx, to, p.counted("compared"), nil, nil)
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return loadError(err, conf.storeName())
	}
	if names := differ(kept, got); names != "" {
		return bridge.Errorf(bridge.Internal, "what was loaded is not what was kept: %s", names).WithHint("do not use this store; remove it and restore anew")
	}
	o, err := p.openAt(ctx, conf, existing)
	if err != nil {
		return err
	}
	defer o.close()
	logs, err := o.checkedLogs(ctx)
	if err != nil {
		return err
	}
	if err := p.endPermits(ctx, o); err != nil {
		return err
	}
	return p.answer(map[string]any{"store": conf.storeName(), "rows": c.n, "files": len(files), "logs": logs, "made_at": header.MadeAt}, func() {
		p.printf("%s  %d rows of %s, %s, %s verify\n", conf.storeName(), c.n, header.MadeAt, some(len(files), "file", "files"), some(logs, "log", "logs"))
	})
}

// endPermits ends the leave to run commands that a backup came with: the backup does not know whether a person ended it since, nor which
// of the approved commands ran. Who enabled them can do so again.
func (p *program) endPermits(ctx context.Context, o *opened) error {
	permits, err := o.svc.Permits(ctx)
	if err != nil {
		return err
	}
	for _, permit := range permits {
		if err := o.svc.DisableCommands(ctx, permit.Conversation); err != nil && !errors.Is(err, bridge.NotFound) {
			return err
		}
	}
	if len(permits) > 0 {
		p.tell("commands were enabled in %s when the backup was made, and are not any more: agentbridge yolo enable", some(len(permits), "conversation", "conversations"))
	}
	return nil
}

// readArchive reads a file to its end and checks it.
func readArchive(path string, v archive.Visitor) (h archive.Header, kept map[string]archive.Sum, err error) {
	f, err := openArchive(path)
	if err != nil {
		return h, nil, err
	}
	defer f.Close()
	kept = map[string]archive.Sum{}
	var tally *archive.Tally
	name := ""
	end := func() {
		if tally != nil {
			kept[name] = tally.Sum()
		}
	}
	h, err = archive.Read(f, archive.Visitor{File: v.File, Table: func(t archive.Table) error {
		end()
		name, tally = t.Name, archive.NewTally(t)
		if v.Table != nil {
			return v.Table(t)
		}
		return nil
	}, Row: func(row []any) error {
		if v.Row != nil {
			if err := v.Row(row); err != nil {
				return err
			}
		}
		return tally.Add(row)
	}})
	end()
	return h, kept, err
}

// putFiles writes the files that are missing, after it looked that none of the others is another.
func putFiles(dir string, files []archive.File) error {
	var missing []archive.File
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		is, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, f)
		case err != nil:
			return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("name an empty data directory with --data DIR")
		case !bytes.Equal(is, f.Data):
			return bridge.Errorf(bridge.Conflict, "%s is there, and another than in the backup", path).WithHint("name an empty data directory with --data DIR, or move that file away")
		}
	}
	for _, f := range missing {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return bridge.Errorf(bridge.Unavailable, "%w", err).WithHint("the data directory must be writable; choose another with --data DIR")
		}
		if err := writePrivate(path, f.Data, false); err != nil {
			return err
		}
	}
	return nil
}

// openBare opens a store of either engine for its rows alone, and makes it where there is none.
func openBare(ctx context.Context, address string, p *program, moving bool) (engine, error) {
	c := &config{Store: address}
	if c.onPostgres() {
		return postgres.Open(ctx, address, postgres.Options{Logger: p.log, Moving: moving})
	}
	path, err := c.storePath()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "make the store's directory: %w", err).WithHint("name a place that you can write to")
	}
	return sqlite.Open(ctx, path, sqlite.Options{Logger: p.log, Moving: moving})
}
