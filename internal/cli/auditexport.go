package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

func (p *program) auditExportCommand() *cobra.Command {
	var q auditQuery
	var format, out string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the logs out: as tiles that an outsider can check, or as JSON lines for other programs",
		Long: `Write the logs out.

--format tiles writes each log below --out DIR as C2SP tlog-tiles with its signed checkpoint, and the public key beside them: anybody
checks that with agentbridge audit verify --tiles DIR --key FILE, or with tessera's fsck. Into a directory of the same logs it writes what
is new. --format jsonl writes one entry a line, exactly as it was logged and hashed, which flags can choose.`,
		Example: `  agentbridge audit export --format tiles --out ./logs
  agentbridge audit export --format jsonl --since 1d --out entries.jsonl`,
		Args: count(0, 0, "none"),
	}
	cmd.Flags().StringVar(&format, "format", "", "tiles or jsonl")
	cmd.Flags().StringVar(&out, "out", "", "the directory of tiles, or a new file of lines (default stdout)")
	p.auditFlags(cmd, &q)
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"tiles", "jsonl"}, cobra.ShellCompDirectiveNoFileComp))
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		f, err := q.filter()
		if err != nil {
			return err
		}
		switch format {
		case "jsonl":
			return p.exportLines(ctx, o, f, out)
		case "tiles":
			for _, name := range []string{"agent", "action", "subject", "since", "until"} {
				if cmd.Flags().Changed(name) {
					return bridge.Errorf(bridge.Invalid, "--%s chooses entries, and tiles hold a whole log", name).WithHint("leave it out, or use --format jsonl")
				}
			}
			return p.exportTiles(ctx, o, f.Conversation, out)
		}
		if format == "" {
			return bridge.Errorf(bridge.Invalid, "--format is missing").WithHint("choose tiles or jsonl")
		}
		return bridge.Errorf(bridge.Invalid, "there is no format %q", format).WithHint("choose tiles or jsonl")
	})
}

// exportLines writes entries as they were logged, one a line.
func (p *program) exportLines(ctx context.Context, o *opened, f bridge.AuditFilter, out string) error {
	to, end := io.Writer(p.out), func() error { return nil }
	if out != "" {
		file, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("name a file that is not there yet")
		}
		to, end = file, func() error { return errors.Join(file.Sync(), file.Close()) }
	}
	n := 0
	err := o.svc.AuditEach(ctx, f, func(l bridge.AuditLine) error {
		n++
		_, err := to.Write(append(l.Record(), '\n'))
		return written(err)
	})
	if err = errors.Join(err, end()); err != nil {
		return err
	}
	if n == 0 {
		err = p.noEntry(ctx, o, f)
	}
	if out != "" {
		p.tell("%s  %s", some(n, "entry", "entries"), out)
	}
	return err
}

// exportTiles writes logs that verify, each into a directory of its own.
func (p *program) exportTiles(ctx context.Context, o *opened, id bridge.ConversationID, out string) error {
	if out == "" {
		return bridge.Errorf(bridge.Invalid, "--out is missing").WithHint("name a directory for the tiles: --out DIR")
	}
	keys, err := o.verifiers(ctx)
	if err != nil {
		return err
	}
	if err := o.svc.CanSign(); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("name a directory that you can write")
	}
	root, err := os.OpenRoot(out) // no link in it leads out of it
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("name a directory that you can write")
	}
	defer root.Close()
	marks, err := exported(root, keys)
	if err != nil {
		return err
	}
	reports, err := o.svc.AuditVerify(ctx, id, marks...)
	if err != nil {
		return err
	}
	for _, r := range reports {
		if r.Fault != "" {
			return p.faults(reports)
		}
	}
	var pub strings.Builder
	for _, k := range keys {
		fmt.Fprintln(&pub, k)
	}
	if err := root.WriteFile(auditPubFile, []byte(pub.String()), 0o644); err != nil {
		return bridge.Errorf(bridge.Unavailable, "write %s: %w", out, err)
	}
	for _, r := range reports {
		if err := exportLog(ctx, o, root, r.Log); err != nil {
			return err
		}
		p.printf("%s  %d entries  %s\n", r.Log, r.Entries, filepath.Join(out, r.Log))
	}
	return nil
}

// exported looks at what is there already: nothing, or an export of this store's, whose checkpoints the logs must continue.
func exported(root *os.Root, keys []*audit.Verifier) (marks []bridge.AuditMark, err error) {
	strange := func(name string) error {
		return bridge.Errorf(bridge.Conflict, "%s holds %s, which is no export of these logs", root.Name(), name).WithHint("name an empty directory, or that of an earlier export")
	}
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "%w", err)
	}
	if pub, err := root.ReadFile(auditPubFile); len(list) > 0 && (err != nil || !strings.Contains(string(pub), keys[len(keys)-1].String())) {
		return nil, strange(list[0].Name())
	}
	for _, e := range list {
		if e.Name() == auditPubFile {
			continue
		}
		note, err := root.ReadFile(path.Join(e.Name(), "checkpoint"))
		if errors.Is(err, fs.ErrNotExist) && e.IsDir() {
			continue // its export was interrupted
		}
		cp, log, openErr := openCheckpoint(note, keys)
		if err != nil || openErr != nil || log != e.Name() {
			return nil, strange(e.Name())
		}
		marks = append(marks, bridge.AuditMark{Log: log, Mark: audit.Mark{Size: cp.Size, Root: cp.Root, From: "the checkpoint of the earlier export"}})
	}
	return marks, nil
}

// exportLog writes what is new of one log, and removes the partial tiles that are full now.
func exportLog(ctx context.Context, o *opened, root *os.Root, log string) error {
	id := bridge.ConversationID(log)
	if log == bridge.DeploymentLog {
		id = ""
	}
	made := map[string]bool{}
	err := o.svc.AuditTiles(ctx, id, func(name string, data []byte) error {
		name = path.Join(log, name)
		made[name] = true
		return replaceIn(root, name, data)
	})
	if err != nil {
		return err
	}
	return fs.WalkDir(root.FS(), path.Join(log, "tile"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !made[name] {
			err = root.Remove(name)
			if dir := path.Dir(name); err == nil && strings.HasSuffix(dir, ".p") {
				_ = root.Remove(dir) // it may hold another
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// replaceIn puts a file in place whole, unless it is there as it should be.
func replaceIn(root *os.Root, name string, data []byte) error {
	if there, err := root.ReadFile(name); err == nil && bytes.Equal(there, data) {
		return nil
	}
	err := root.MkdirAll(path.Dir(name), 0o755)
	if err == nil {
		err = root.WriteFile(name+".new", data, 0o644)
	}
	if err == nil {
		err = root.Rename(name+".new", name)
	}
	if err != nil {
		return bridge.Errorf(bridge.Unavailable, "write %s: %w", filepath.Join(root.Name(), name), err).WithHint("is the disk full?")
	}
	return nil
}

func (p *program) auditProveCommand() *cobra.Command {
	var id string
	var n int64
	cmd := &cobra.Command{
		Use:   "prove",
		Short: "Prove to somebody without the store that an entry is in a log",
		Long: `Print a proof (C2SP tlog-proof) that an entry is in a log: the entry, the hashes from it to the root, and the signed checkpoint. Whoever has
the public key checks it with agentbridge audit verify --proof FILE --key FILE, without the store and without a network.`,
		Example: `  agentbridge audit prove --conversation-id conv_0123456789abcdef --entry 3 > entry.proof`,
		Args:    count(0, 0, "none"),
	}
	p.conversationFlag(cmd, &id, "in this conversation's log (default the deployment's)")
	cmd.Flags().Int64Var(&n, "entry", 0, "the entry's number, as agentbridge audit show says it")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("entry") {
			return bridge.Errorf(bridge.Invalid, "--entry is missing").WithHint("agentbridge audit show numbers the entries: --entry N")
		}
		return nil
	}
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		proof, reports, err := o.svc.AuditProve(ctx, bridge.ConversationID(id), n)
		if err != nil {
			return err
		}
		if proof == nil {
			return p.faults(reports)
		}
		p.printf("%s", proof)
		return nil
	})
}

// verifyProof checks a proof without a store.
func (p *program) verifyProof(file, key string) error {
	keys, err := outsideKeys(key)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "read proof: %w", err).WithHint("name the file that agentbridge audit prove wrote")
	}
	proof, err := audit.ParseProof(text)
	var e audit.Entry
	if err == nil {
		e, err = proof.Verify(keys...)
	}
	if err != nil {
		return bridge.Errorf(bridge.Conflict, "%w", err).WithHint("it proves nothing with this key; ask for another, or look whether the key is the right one")
	}
	l := bridge.AuditLine{Log: e.Log, N: e.N, At: e.At, Actor: e.Actor, Action: e.Action, Subject: e.Subject, Facts: e.Facts}
	return p.answer(l, func() {
		p.printf("ok     %s  entry %d: %s  %s %s %s\n", e.Log, e.N, clock(e.At), e.Actor, e.Action, dash(e.Subject))
	})
}

// verifyTiles checks an exported directory without a store: each log by itself and against the checkpoints that were kept elsewhere,
// and the conversations' against what the deployment's tells. Where the export is not said to be partial, what is told of is to be there.
func (p *program) verifyTiles(dir, key string, files []string, partial bool) error {
	keys, err := outsideKeys(key)
	if err != nil {
		return err
	}
	kept, err := readMarks(files, keys)
	if err != nil {
		return err
	}
	known := map[string][]audit.Mark{}
	for _, m := range kept {
		known[m.Log] = append(known[m.Log], m.Mark)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("name the directory that agentbridge audit export wrote")
	}
	defer root.Close()
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err)
	}
	names := []string{}
	for _, e := range list {
		switch {
		case e.Name() == bridge.DeploymentLog:
			names = append([]string{e.Name()}, names...) // it tells of the others
		case e.Name() != auditPubFile:
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return bridge.Errorf(bridge.NotFound, "%s holds no log", dir).WithHint("name the directory that agentbridge audit export wrote")
	}
	reports, err := tileReports(root.FS(), names, keys, known)
	if err != nil {
		return err
	}
	if names[0] != bridge.DeploymentLog {
		p.tell("the deployment's log is not in this export: nothing tells of these logs but their own checkpoints and those that you kept")
	}
	for _, log := range slices.Sorted(maps.Keys(known)) {
		if !partial && !slices.Contains(names, log) {
			reports = append(reports, bridge.AuditReport{Log: log, Marks: len(known[log]), Fault: "it is told of, and is not in this export; --partial if that is as it should be"})
		}
	}
	return p.verified(reports, kept)
}

// tileReports checks the logs in directories of these names, that of the deployment first: what it tells of the others is added to what is known of them.
func tileReports(fsys fs.FS, names []string, keys []*audit.Verifier, known map[string][]audit.Mark) (reports []bridge.AuditReport, err error) {
	for _, name := range names {
		tiles, err := fs.Sub(fsys, name)
		if err != nil {
			return nil, err
		}
		rep, err := audit.VerifyTiles(tiles, keys, known[name]...)
		out := bridge.AuditReport{Log: name, Entries: rep.Size, Root: rep.Root.String(), Marks: len(known[name])}
		switch {
		case errors.Is(err, audit.ErrOtherKey):
			return nil, bridge.Errorf(bridge.Denied, "the checkpoint of %s is not signed with that key", name).WithHint("look whether the key is the one of that bridge; agentbridge audit key shows it there")
		case errors.Is(err, audit.ErrBroken):
			out.Fault = strings.Join(rep.Findings, "; ")
		case err != nil:
			out.Fault = err.Error()
		case rep.Log != name:
			out.Fault = fmt.Sprintf("it holds the log %s", cmp.Or(rep.Log, "of another name"))
		case name == bridge.DeploymentLog:
			told, err := bridge.ToldHeads(audit.ReadTiles(tiles, rep.Size))
			if err != nil {
				out.Fault = err.Error()
			}
			for log, marks := range told {
				known[log] = append(known[log], marks...)
			}
		}
		reports = append(reports, out)
	}
	return reports, nil
}
