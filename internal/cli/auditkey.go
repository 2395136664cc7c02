package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// What proves the logs lies beside the store and not in it: the key that signs checkpoints, its public half, which is for everybody,
// and what was last seen of the deployment's log.
const (
	auditKeyFile = "audit.key"
	auditPubFile = "audit.pub"
	witnessFile  = "witness"
	storeFile    = "bridge.db" // where nothing else is said
)

// readSigner reads the key that signs checkpoints; nil where there is none. One that cannot be read stops nobody from working: then no
// checkpoint is signed, and what wants one says so.
func (p *program) readSigner(dir string) *audit.Signer {
	text, err := readPrivate(filepath.Join(dir, auditKeyFile), p.log)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var signer *audit.Signer
	if err == nil {
		signer, err = audit.ParseSigner(strings.TrimSpace(string(text)))
	}
	if err != nil {
		p.log.Warn("the audit key cannot be read; no checkpoint is signed", "error", err)
		return nil
	}
	return signer
}

// makeSigner makes the key, or reads that of another process which was first.
func (p *program) makeSigner(dir string) (*audit.Signer, error) {
	signer, err := audit.NewKey()
	if err != nil {
		return nil, err
	}
	err = writePrivate(filepath.Join(dir, auditKeyFile), []byte(signer.Private()+"\n"), false)
	if errors.Is(err, fs.ErrExist) {
		return p.readSigner(dir), nil
	}
	if err != nil {
		return nil, err
	}
	return signer, writePublic(dir, signer)
}

// writePublic puts the public half where it can be copied from.
func writePublic(dir string, signer *audit.Signer) error {
	return writePrivate(filepath.Join(dir, auditPubFile), []byte(signer.Verifier().String()+"\n"), true)
}

// signer gives the key that signs checkpoints of a store. A new store, and one from before checkpoints, gets one; one that lost its key
// gets none silently: nil, and then no checkpoint is signed.
func (p *program) signer(ctx context.Context, store bridge.Store, dir string) (*audit.Signer, error) {
	if signer := p.readSigner(dir); signer != nil {
		return signer, nil
	}
	keys, err := bridge.AuditKeys(ctx, store)
	if err != nil {
		return nil, err
	}
	if len(keys) > 0 {
		return p.readSigner(dir), nil // another process may have made it in between
	}
	return p.makeSigner(dir)
}

// witness keeps what was seen of the deployment's log in a file, one process at a time: in the data directory, or, of a store that is not
// there, beside that, since a directory may serve several.
func (p *program) witness(dir, store string) bridge.Keep {
	path := filepath.Join(dir, witnessFile)
	if at, err := filepath.Abs(store); err == nil && at != filepath.Join(dir, storeFile) {
		path = at + "." + witnessFile
	}
	return func(ctx context.Context, change func([]byte) ([]byte, error)) error {
		release, err := lockFile(ctx, path+".lock")
		if err != nil {
			return err
		}
		defer release()
		kept, err := readPrivate(path, p.log)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		next, err := change(kept)
		if err != nil || next == nil {
			return err
		}
		return writePrivate(path, next, true)
	}
}

func (p *program) auditKeyCommand() *cobra.Command {
	var renewed bool
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Show the public key that the logs' checkpoints are signed with; copy it to where they are checked",
		Long: `Show the public key that the logs' checkpoints are signed with, and below it those before it. Copy it elsewhere, once: who can write the
data directory can replace it there, together with everything that it signed.

If audit.key is lost, agents go on and their entries are logged, but no checkpoint is signed. Put it back from a backup, or make a new
one with --new, from your terminal: that is an entry, and what was signed before still verifies with the key before.`,
		Example: `  agentbridge audit key >> ~/keys/agentbridge.pub
  agentbridge audit key --new`,
		Args: count(0, 0, "none"),
	}
	cmd.Flags().BoolVar(&renewed, "new", false, "make a new key and use it from now on; from your terminal")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		if renewed {
			if err := p.rekey(ctx, o); err != nil {
				return err
			}
		}
		keys, err := o.svc.AuditKeys(ctx)
		if err != nil {
			return err
		}
		return p.answer(map[string]any{"keys": keys}, func() { p.printf("%s\n", strings.Join(keys, "\n")) })
	})
}

// rekey makes a new key. The one before is kept under its id, because nobody wants to have thrown away a key.
func (p *program) rekey(ctx context.Context, o *opened) error {
	if err := atTerminal("audit key --new"); err != nil {
		return err
	}
	path := filepath.Join(o.conf.Data, auditKeyFile)
	if old := p.readSigner(o.conf.Data); old != nil {
		if err := os.Rename(path, path+"."+strings.ReplaceAll(old.Name(), "/", "-")); err != nil {
			return bridge.Errorf(bridge.Unavailable, "put the old audit key aside: %w", err)
		}
	}
	signer, err := audit.NewKey()
	if err != nil {
		return err
	}
	text := []byte(signer.Private() + "\n")
	if err := errors.Join(writePrivate(path, text, true), writePublic(o.conf.Data, signer)); err != nil {
		return err
	}
	return o.svc.AuditRekey(ctx, signer)
}

// examineSchema looks for what another hand put into the database.
func (o *opened) examineSchema(ctx context.Context, d *diagnosis) {
	switch list, err := o.store.Foreign(ctx); {
	case err != nil:
		d.bad("schema", err)
	case len(list) > 0:
		d.bad("schema", bridge.Errorf(bridge.Conflict, "the database holds things that agentbridge did not make, or lacks some that it made: %s", strings.Join(list, ", ")).
			WithHint("keep a copy, find out who could write the file, and put a backup back; a trigger can undo what is written"))
	default:
		d.good("schema", "it is as agentbridge made it")
	}
}

// examineAudit looks whether checkpoints can be signed, and whether the log continues what was seen before.
func (o *opened) examineAudit(ctx context.Context, d *diagnosis) {
	keys, err := o.svc.AuditKeys(ctx)
	if err == nil {
		err = o.svc.CanSign()
	}
	if err != nil {
		d.bad("audit key", err)
	} else {
		d.good("audit key", "%s", keys[0])
	}
	switch f, err := o.svc.Forked(ctx); {
	case err != nil:
		d.bad("audit log", err)
	case f != nil:
		d.bad("audit log", bridge.Errorf(bridge.Conflict, "%s", f).
			WithHint("agentbridge audit verify shows more; if you put an older store back on purpose, agentbridge audit accept"))
	default:
		d.good("audit log", "it continues what was seen before; agentbridge audit verify checks all of it")
	}
	switch at, err := o.svc.WitnessGone(ctx); {
	case err != nil:
		d.bad("audit witness", err)
	case !at.IsZero():
		d.good("audit witness", "it was gone and begun anew at %s; if you did not move the store without it, hold the log against what you kept elsewhere: "+
			"agentbridge audit verify --checkpoint FILE", at.Format(time.RFC3339))
	}
}
