package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

func (p *program) auditVerifyCommand() *cobra.Command {
	var id, key, tiles, proof string
	var files []string
	var partial bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every log: a line for each, exit 1 on a fault",
		Long: `Check every log: that its entries hash to its head, and that it continues every head it is known to have had, which the deployment's log
tells of the others, this data directory of the deployment's, and --checkpoint of any. A line for each log, exit 1 on a fault.

Who can write the data directory can make all of it fit, but for what is kept elsewhere: give the checkpoints that you kept with
--checkpoint, and the public key that you kept with --key.

With --tiles or --proof it checks what agentbridge audit export or prove gave, and needs no store, only the key. A log that the others or a
checkpoint tell of, and that is not in the export, is a fault, but for --partial.`,
		Example: `  agentbridge audit verify
  agentbridge audit verify --checkpoint /mnt/elsewhere/checkpoints.txt --key ~/keys/agentbridge.pub
  agentbridge audit verify --tiles ./logs --key ~/keys/agentbridge.pub --checkpoint ~/keys/checkpoints.txt
  agentbridge audit verify --proof entry.proof --key ~/keys/agentbridge.pub`,
		Args: count(0, 0, "none"),
	}
	p.conversationFlag(cmd, &id, "only the log of this conversation (default all)")
	cmd.Flags().StringArrayVar(&files, "checkpoint", nil, "a file of checkpoints that was kept elsewhere (repeatable)")
	cmd.Flags().StringVar(&key, "key", "", "the public key, or a file of such, that checkpoints are to be signed with (default the store's own)")
	cmd.Flags().StringVar(&tiles, "tiles", "", "check this exported directory instead of the store")
	cmd.Flags().StringVar(&proof, "proof", "", "check this proof instead of the store")
	cmd.Flags().BoolVar(&partial, "partial", false, "with --tiles: the export is of chosen logs, and others may be missing")
	cmd.MarkFlagsMutuallyExclusive("tiles", "proof", "conversation-id")
	cmd.MarkFlagsMutuallyExclusive("proof", "checkpoint")
	p.jsonFlag(cmd)
	verify := p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		marks, err := o.marks(ctx, files, key)
		if err != nil {
			return err
		}
		reports, err := o.svc.AuditVerify(ctx, bridge.ConversationID(id), marks...)
		if err != nil {
			return err
		}
		return p.verified(reports, marks)
	}).RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case tiles != "":
			return p.verifyTiles(tiles, key, files, partial)
		case partial:
			return bridge.Errorf(bridge.Invalid, "--partial is of an export").WithHint("name the export with --tiles DIR")
		case proof != "":
			return p.verifyProof(proof, key)
		case key != "" && len(files) == 0:
			return bridge.Errorf(bridge.Invalid, "there is nothing to check with --key").WithHint("name what it signed: --checkpoint FILE, --tiles DIR or --proof FILE")
		}
		return verify(cmd, args)
	}
	return cmd
}

// marks are what the logs must continue: the checkpoints of files.
func (o *opened) marks(ctx context.Context, files []string, key string) (marks []bridge.AuditMark, err error) {
	var keys []*audit.Verifier
	if key != "" {
		keys, err = readKeysFrom(key)
	} else {
		keys, err = o.verifiers(ctx)
	}
	if err != nil {
		return nil, err
	}
	return readMarks(files, keys)
}

// readMarks reads the checkpoints that were kept in files.
func readMarks(files []string, keys []*audit.Verifier) (marks []bridge.AuditMark, err error) {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, bridge.Errorf(bridge.Invalid, "read checkpoints: %w", err).WithHint("name the file that the checkpoints were kept in")
		}
		list, err := readCheckpoints(file, text, keys)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, bridge.Errorf(bridge.Invalid, "a file given with --checkpoint holds no checkpoint").WithHint("agentbridge audit checkpoint --append FILE adds one")
		}
		for _, k := range list {
			marks = append(marks, k.mark())
		}
	}
	return marks, nil
}

// verified shows what a verification found that held the logs against these checkpoints, which were kept elsewhere.
func (p *program) verified(reports []bridge.AuditReport, kept []bridge.AuditMark) error {
	for _, r := range reports {
		if r.Fault != "" {
			return p.faults(reports)
		}
	}
	return p.answer(map[string]any{"logs": reports}, func() {
		p.reports(reports)
		p.extended(reports, kept)
	})
}

// extended says of logs without a fault which checkpoints they were held against.
func (p *program) extended(reports []bridge.AuditReport, kept []bridge.AuditMark) {
	most, count := map[string]int64{}, map[string]int{}
	for _, m := range kept {
		most[m.Log] = max(most[m.Log], m.Size)
		count[m.Log]++
	}
	unheld := len(kept)
	for _, r := range reports {
		if n := count[r.Log]; n > 0 {
			unheld -= n
			p.printf("ok     %s  extends %s that you kept, the newest at %s\n", r.Log, some(n, "checkpoint", "checkpoints"), some(int(most[r.Log]), "entry", "entries"))
		}
	}
	if unheld > 0 {
		p.tell("%s of other logs: nothing was held against them", some(unheld, "checkpoint is", "checkpoints are"))
	}
}

func (p *program) reports(reports []bridge.AuditReport) {
	for _, r := range reports {
		if r.Fault == "" {
			p.printf("ok     %s  %d entries  root %s\n", r.Log, r.Entries, r.Root)
		} else {
			p.printf("%s  %s  %d entries: %s\n", p.style(red, "FAULT"), r.Log, r.Entries, r.Fault)
		}
	}
}

// faults shows a verification that found some, and ends the program so.
func (p *program) faults(reports []bridge.AuditReport) error {
	bad, deployment := 0, false
	for _, r := range reports {
		if r.Fault != "" {
			bad++
			deployment = deployment || r.Log == bridge.DeploymentLog
		}
	}
	if err := p.answer(map[string]any{"logs": reports}, func() { p.reports(reports) }); err != nil {
		return err
	}
	p.tell("error: %s not what was logged", some(bad, "log is", "logs are"))
	hint := "keep a copy of the store as it is; an earlier backup tells what was changed"
	if deployment {
		hint += "; if you put an older store back on purpose, say so with agentbridge audit accept"
	}
	p.tell("hint: %s", hint)
	return exit(1)
}

func (p *program) auditAcceptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Go on with the logs as they are, after you put an older store back on purpose; from your terminal",
		Long: `Go on with the deployment's log as it is, though it does not continue the one that was seen before. That is an entry, audit_restart, with
the size and root of both, so it cannot be done unseen. Checkpoints kept elsewhere that the log does not continue stay at fault: they tell
what was lost.`,
		Args: count(0, 0, "none"),
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		if err := atTerminal("audit accept"); err != nil {
			return err
		}
		f, err := o.svc.AuditAccept(ctx)
		if err != nil {
			return err
		}
		return p.answer(f, func() { p.printf("accepted  %s\ninstead of  %s\n", f.Found, f.Kept) })
	})
}

// outsideKeys are the keys to check with where there is no store to ask.
func outsideKeys(key string) ([]*audit.Verifier, error) {
	if key == "" {
		return nil, bridge.Errorf(bridge.Invalid, "no key is named").
			WithHint("--key FILE with the public key that you kept; agentbridge audit key showed it, and one that comes with what is checked proves nothing")
	}
	return readKeysFrom(key)
}
