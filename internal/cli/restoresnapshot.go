package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/snapshot"
)

func (p *program) restoreSnapshotCommand() *cobra.Command {
	var workspace string
	cmd := &cobra.Command{
		Use:   "restore-snapshot [ID]",
		Short: "Put a workspace back to what it was before a command; from your terminal",
		Long: `Put a workspace back to what it was before a command ran in it: uncommitted and untracked files too, and no others. Without ID, or that of
the command, it lists the snapshots there are. What the workspace holds now is kept in a snapshot first, so that this can be undone.

A snapshot is taken before each command in restricted and yolo mode, where the workspace is in a git work tree. Not in it: what git
ignores, empty directories, and other repositories inside. The index and the branches are not touched.`,
		Args: count(0, 1, "one snapshot or command, or none for a list"),
	}
	cmd.Flags().StringVar(&workspace, "workspace", ".", "the workspace")
	_ = cmd.MarkFlagDirname("workspace")
	p.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := p.loadConfig()
		if err != nil {
			return err
		}
		dir, err := filepath.Abs(workspace)
		if err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err != nil {
			return bridge.Errorf(bridge.NotFound, "workspace: %w", err).WithHint("name a directory with --workspace")
		}
		store := snapshotStore(conf.Data, dir)
		if !fileIsThere(store) {
			return bridge.Errorf(bridge.NotFound, "there are no snapshots of %s", dir).WithHint("name the workspace that commands ran in with --workspace")
		}
		keeper, err := snapshot.Open(cmd.Context(), snapshot.Options{Dir: dir, Store: store})
		if err != nil {
			return snapshotError(err)
		}
		list, err := keeper.List(cmd.Context())
		if err != nil {
			return snapshotError(err)
		}
		if len(args) == 0 {
			return p.listSnapshots(list)
		}
		id := args[0]
		for _, s := range list {
			if s.Label == id {
				id = s.ID
			}
		}
		return p.restoreSnapshot(cmd.Context(), keeper, dir, id)
	}
	return cmd
}

func (p *program) listSnapshots(list []snapshot.Snapshot) error {
	if list == nil {
		list = []snapshot.Snapshot{}
	}
	return p.answer(map[string]any{"snapshots": list}, func() {
		rows := [][]string{{"SNAPSHOT", "BEFORE", "TAKEN", "FILES"}}
		for _, s := range list {
			rows = append(rows, []string{s.ID, s.Label, clock(s.Taken), strconv.Itoa(s.Files)})
		}
		p.table(rows...)
	})
}

// restoreSnapshot shows the person what would change, and does it if they say so.
func (p *program) restoreSnapshot(ctx context.Context, keeper *snapshot.Keeper, dir, id string) error {
	h, err := p.person(ctx, "restore-snapshot")
	if err != nil {
		return err
	}
	defer h.leave()
	changes, err := keeper.Compare(ctx, id)
	if err != nil {
		return snapshotError(err)
	}
	if len(changes) == 0 {
		return p.answer(map[string]any{"snapshot_id": id, "changes": changes}, func() { p.printf("%s is as it was\n", dir) })
	}
	const most = 40
	h.forget()
	h.say("%s would be put back:", dir)
	for i, c := range changes {
		if i == most {
			h.say("  and %s", some(len(changes)-most, "more file", "more files"))
			break
		}
		h.say("  %-8s %s", c.What, c.Path)
	}
	said, err := h.ask("put it back? [y]es, [n]o: ")
	if err != nil {
		return err
	}
	if said = strings.ToLower(said); said != "y" && said != "yes" {
		return bridge.Errorf(bridge.Denied, "nothing was changed").WithHint("answer y to put it back")
	}
	res, err := keeper.Restore(ctx, id)
	if err != nil {
		return snapshotError(err)
	}
	return p.answer(map[string]any{"snapshot_id": id, "changes": res.Changes, "before": res.Before.ID}, func() {
		p.printf("%s  %s put back\n", dir, some(len(res.Changes), "file", "files"))
		p.tell("to undo it: agentbridge restore-snapshot --workspace %s %s", quoted(dir), res.Before.ID)
	})
}

// snapshotError gives an error of snapshots its code.
func snapshotError(err error) error {
	e, ok := errors.AsType[*snapshot.Error](err)
	if !ok {
		return err
	}
	code := bridge.Unavailable
	switch {
	case errors.Is(err, snapshot.NotFound), errors.Is(err, snapshot.NoWorkTree):
		code = bridge.NotFound
	case errors.Is(err, snapshot.TooLarge):
		code = bridge.Invalid
	}
	return bridge.Errorf(code, "%s", e.Message).WithHint("%s", e.Hint)
}
