package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/archive"
	"agentbridge/internal/bridge"
)

func (p *program) migrateCommand() *cobra.Command {
	var from, to string
	var cancel bool
	cmd := &cobra.Command{
		Use:   "migrate --from sqlite:PATH --to postgres://USER@HOST/DATABASE",
		Short: "Move a deployment to another store, with its logs as they are",
		Long: `Move a deployment to another store, from SQLite to PostgreSQL or back, with its conversations, tokens, tasks and logs as they are. The data
directory with the keys stays; agents need nothing but the new --store.

From the beginning nothing is written to the old store any more: whoever has it open is told where it goes. The rows are moved all or not at all,
compared table by table, and every log is verified; then the old store says where it went, and nobody goes on with it by mistake.
If it is interrupted, run it again, or call it off with --cancel. Stop hubs and agents before, and start them with the new store
after: they need not be, but they can do nothing meanwhile.`,
		Args: count(0, 0, "none"),
	}
	cmd.Flags().StringVar(&from, "from", "", "the store there is (default that of the settings)")
	cmd.Flags().StringVar(&to, "to", "", "the store it goes to, with nothing in it")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "call an interrupted migration off: the old store is used again")
	p.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conf, err := p.loadConfig()
		if err != nil {
			return err
		}
		if from == "" {
			from = conf.Store
		}
		old, next := *conf, *conf
		old.Store, next.Store = from, to
		for name, c := range map[string]*config{"from": &old, "to": &next} {
			if name == "to" && cancel {
				continue
			}
			if _, err := c.storePath(); err != nil || c.Store == "" {
				return bridge.Errorf(bridge.Invalid, "--%s is no store", name).WithHint("write sqlite:PATH or postgres://USER@HOST/DATABASE")
			}
		}
		if cancel {
			return p.cancelMigration(cmd.Context(), &old)
		}
		return p.migrate(cmd.Context(), &old, &next)
	}
	return cmd
}

// openMoved opens a store that is there and whose rows go elsewhere.
func (p *program) openMoved(ctx context.Context, from *config) (engine, error) {
	if !from.onPostgres() && !from.hasStore() {
		path, _ := from.storePath()
		return nil, bridge.Errorf(bridge.NotFound, "there is no store at %s", path).WithHint("name the one to move with --from sqlite:PATH")
	}
	return openBare(ctx, from.Store, p, true)
}

func (p *program) migrate(ctx context.Context, from, to *config) (err error) {
	if from.storeName() == to.storeName() {
		return bridge.Errorf(bridge.Invalid, "--from and --to are the same store").WithHint("name another with --to")
	}
	if os.Getenv(keysVariable) == "" && !fileIsThere(keyPath(to.Data)) {
		return bridge.Errorf(bridge.Invalid, "there is no %s, which the store needs", keyPath(to.Data)).WithHint("name the data directory of the old store with --data DIR: the keys are there, and stay there")
	}
	old, err := p.openMoved(ctx, from)
	if err != nil {
		return err
	}
	defer old.Close()
	next, err := openBare(ctx, to.Store, p, false)
	if err != nil {
		return err
	}
	defer next.Close()
	began := time.Now()
	if err := old.Mark(ctx, bridge.StoreMoving, to.storeName()); err != nil {
		return err
	}
	moved := false
	defer func() {
		if !moved { // whoever waits may go on
			back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, old.Mark(back, 0, ""))
		}
	}()
	rows, err := p.moveRows(ctx, old, next, to.storeName())
	if err != nil {
		return err
	}
	logs, err := p.arrived(ctx, to)
	if err != nil {
		return err
	}
	if err := old.Mark(ctx, bridge.StoreMoved, to.storeName()); err != nil {
		return err
	}
	moved = true
	return p.answer(map[string]any{"from": from.storeName(), "to": to.storeName(), "rows": rows, "logs": logs, "took_ms": time.Since(began).Milliseconds()}, func() {
		p.printf("%s  %d rows from %s, %s verify\n", to.storeName(), rows, from.storeName(), some(logs, "log", "logs"))
		p.tell("from now on: store = \"…\" in agentbridge.toml, AGENTBRIDGE_STORE or --store, with the address that --to had; the old store is not used any more, and can be removed")
	})
}

// moveRows copies all rows and compares. Rows that are there already, because a migration was interrupted at its very end, are good if they
// are the same.
func (p *program) moveRows(ctx context.Context, from, to engine, where string) (rows int64, err error) {
	c := p.counted("moved")
	var was map[string]archive.Sum
	err = to.Load(ctx, func(table func(archive.Table) error, row func([]any) error) (err error) {
		c.n = 0
		was, err = sums(ctx, from, c, table, row)
		return err
	})
	again := errors.Is(err, archive.Held)
	if again {
		was, err = sums(ctx, from, c, nil, nil)
	}
	c.end()
	if err != nil {
		return 0, loadError(err, where)
	}
	rows = c.n
	is, err := sums(ctx, to, p.counted("compared"), nil, nil)
	if err != nil {
		return 0, err
	}
	switch names := differ(was, is); {
	case names != "" && again:
		return 0, loadError(archive.Held, where)
	case names != "":
		return 0, bridge.Errorf(bridge.Internal, "what arrived is not what was sent: %s", names).WithHint("the old store is as it was; empty the new one and try again")
	}
	return rows, nil
}

// arrived verifies the logs at the new place, before the old one is given up.
func (p *program) arrived(ctx context.Context, to *config) (logs int, err error) {
	o, err := p.openAt(ctx, to, existing)
	if err != nil {
		return 0, err
	}
	defer o.close()
	return o.checkedLogs(ctx)
}

func (p *program) cancelMigration(ctx context.Context, from *config) error {
	old, err := p.openMoved(ctx, from)
	if err != nil {
		return err
	}
	defer old.Close()
	if err := old.Mark(ctx, 0, ""); err != nil {
		return err
	}
	return p.answer(map[string]any{"store": from.storeName()}, func() { p.printf("%s  is used again\n", from.storeName()) })
}
