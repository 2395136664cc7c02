package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/archive"
	"agentbridge/internal/bridge"
)

func (p *program) backupCommand() *cobra.Command {
	var bare bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Keep everything in one file, while agents go on",
		Long: `Keep the store as of one moment in one file, while agents go on, and with it the files of the data directory that cannot be made again: keys,
tokens, certificates, settings. Who can read the file can be any agent of this machine: it is for your eyes, with mode 0600, and
not encrypted. With - it goes to stdout, as for age.

agentbridge restore puts it into an empty data directory or database, of either engine. --without-keys leaves the files out; then keep
bridge.key elsewhere, without which a store is of no use.`,
		Example: "  agentbridge backup /mnt/backup/agentbridge-$(date +%F)\n  agentbridge backup - | age -p > agentbridge.age",
		Args:    count(1, 1, "one file"),
	}
	cmd.Flags().BoolVar(&bare, "without-keys", false, "the rows alone")
	p.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := p.loadConfig()
		if err != nil {
			return err
		}
		b, err := p.openStore(cmd.Context(), conf, existing)
		if err != nil {
			return err
		}
		defer b.store.Close()
		return p.backup(cmd.Context(), conf, b.store, args[0], bare)
	}
	return cmd
}

// backup writes an archive to a file that is there as a whole or not at all.
func (p *program) backup(ctx context.Context, conf *config, from engine, path string, bare bool) error {
	if path == "-" {
		if out, ok := p.stdout.(*os.File); ok && isTerminal(out) {
			return bridge.Errorf(bridge.Invalid, "a backup is not for a terminal").WithHint("name a file, or pass it on: agentbridge backup - | age -p > FILE")
		}
		_, err := p.archive(ctx, conf, from, p.stdout, bare)
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return bridge.Errorf(bridge.Conflict, "%s is there already", path).WithHint("name a file that is not, so that no backup is lost")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".backup-*") // 0600
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("name a file in a directory that you can write to")
	}
	defer os.Remove(f.Name())
	out := bufio.NewWriterSize(f, 1<<16)
	rows, err := p.archive(ctx, conf, from, out, bare)
	full := errors.Join(out.Flush(), f.Sync(), f.Close())
	if err == nil && full != nil {
		err = bridge.Errorf(bridge.Unavailable, "write the backup: %w", full).WithHint("is the disk full? Nothing was left behind")
	}
	if err == nil {
		err = os.Link(f.Name(), path) // never over another
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return p.answer(map[string]any{"file": path, "rows": rows, "bytes": info.Size(), "has_keys": !bare}, func() {
		p.printf("%s  %d rows, %d bytes\n", path, rows, info.Size())
		if !bare {
			p.tell("it holds keys and tokens: who can read it can be any agent of this machine")
		}
	})
}

// archive writes a store, and files read after it: a key that signed a row is among them, because keys are only added.
func (p *program) archive(ctx context.Context, conf *config, from engine, to io.Writer, bare bool) (rows int64, err error) {
	kind := "sqlite"
	if conf.onPostgres() {
		kind = "postgres"
	}
	w, err := archive.NewWriter(to, archive.Header{
		Version: build().Version, Engine: kind, Store: conf.storeName(), MadeAt: time.Now().UTC().Format(time.RFC3339), Keys: !bare,
	})
	if err != nil {
		return 0, err
	}
	c := p.counted("kept")
	_, err = sums(ctx, from, c, w.Table, w.Row)
	c.end()
	if err != nil {
		return c.n, err
	}
	if !bare {
		files, err := ownFilesOf(conf.Data)
		if err != nil {
			return c.n, err
		}
		for _, f := range files {
			if err := w.File(f); err != nil {
				return c.n, err
			}
		}
	}
	return c.n, w.Close()
}
