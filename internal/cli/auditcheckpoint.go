package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

func (p *program) auditCheckpointCommand() *cobra.Command {
	var id, file, repository string
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Sign the head of a log, to be kept where nobody who can write the store can reach it",
		Long: `Print a signed checkpoint (C2SP signed note) of the deployment's log, which tells the heads of all others, or of one conversation's. The
whole log is verified first, so that nothing is signed that does not continue what was signed before.

Keep it elsewhere: on paper, in a mail to yourself, or with --append or --git in a file of checkpoints or a git repository that you push
to another machine. agentbridge audit verify --checkpoint FILE then finds whatever was changed before it.`,
		Example: `  agentbridge audit checkpoint > checkpoint.txt
  agentbridge audit checkpoint --append /mnt/elsewhere/checkpoints.txt
  agentbridge audit checkpoint --git ~/notes && git -C ~/notes push`,
		Args: count(0, 0, "none"),
	}
	p.conversationFlag(cmd, &id, "of this conversation's log (default the deployment's)")
	cmd.Flags().StringVar(&file, "append", "", "add it to this file, if the log continues all that are in it")
	cmd.Flags().StringVar(&repository, "git", "", "add it to a file in this git repository, and commit that; nothing is pushed")
	cmd.MarkFlagsMutuallyExclusive("append", "git")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		keys, err := o.verifiers(ctx)
		if err != nil {
			return err
		}
		var note []byte
		take := func(name string) func(before []byte) ([]byte, error) {
			return func(before []byte) (fresh []byte, err error) {
				note, fresh, err = p.checkpoint(ctx, o, bridge.ConversationID(id), name, before, keys)
				return fresh, err
			}
		}
		switch {
		case repository != "":
			if file, err = anchorFile(repository, keys); err == nil {
				if err = appendCheckpoint(ctx, file, take(file)); err == nil {
					err = commitAnchor(ctx, repository, file, "agentbridge: checkpoint of "+firstLine(note))
				}
			}
		case file != "":
			err = appendCheckpoint(ctx, file, take(file))
		default:
			_, err = take("")(nil)
		}
		if err != nil {
			return err
		}
		return p.answer(map[string]any{"checkpoint": string(note), "file": file}, func() { p.printf("%s", note) })
	})
}

// checkpoint signs the head of a log that continues every checkpoint in before, a file's text. Fresh is what to add to the file: nil
// where it ends with the same.
func (p *program) checkpoint(ctx context.Context, o *opened, id bridge.ConversationID, name string, before []byte, keys []*audit.Verifier) (note, fresh []byte, err error) {
	list, err := readCheckpoints(name, before, keys)
	if err != nil {
		return nil, nil, err
	}
	var marks []bridge.AuditMark
	for _, k := range list {
		marks = append(marks, k.mark())
	}
	note, reports, err := o.svc.AuditCheckpoint(ctx, id, marks...)
	if err != nil {
		return nil, nil, err
	}
	if note == nil {
		return nil, nil, p.faults(reports)
	}
	cp, _, err := openCheckpoint(note, keys)
	if err != nil {
		return nil, nil, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Origin == cp.Origin {
			if list[i].Checkpoint == cp {
				return note, nil, nil
			}
			break
		}
	}
	return note, note, nil
}

// verifiers are the public keys of this store, the one in use first.
func (o *opened) verifiers(ctx context.Context) ([]*audit.Verifier, error) {
	texts, err := o.svc.AuditKeys(ctx)
	if err != nil {
		return nil, err
	}
	return parseKeys(texts)
}

func parseKeys(texts []string) (keys []*audit.Verifier, err error) {
	for _, text := range texts {
		k, err := audit.ParseVerifier(text)
		if err != nil {
			return nil, bridge.Errorf(bridge.Invalid, "that is no public audit key: %w", err).WithHint("agentbridge audit key shows it: NAME+ID+KEY")
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// readKeysFrom reads public keys: from a file, a line each, or as they are.
func readKeysFrom(value string) ([]*audit.Verifier, error) {
	text, err := os.ReadFile(value)
	if err == nil {
		return parseKeys(strings.Fields(string(text)))
	}
	keys, broken := parseKeys([]string{value})
	switch {
	case broken == nil:
		return keys, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, bridge.Errorf(bridge.Invalid, "the key file %s does not exist", value).WithHint("name the file with the public key that you kept, or give the key itself: NAME+ID+KEY")
	}
	return nil, bridge.Errorf(bridge.Invalid, "read the key file: %w", err).WithHint("name the file with the public key that you kept, or give the key itself: NAME+ID+KEY")
}

// anchorFile is where the checkpoints of a key are in a repository. Its directory is made.
func anchorFile(repository string, keys []*audit.Verifier) (string, error) {
	if len(keys) == 0 {
		return "", bridge.Errorf(bridge.Invalid, "this store has no audit key").WithHint("agentbridge audit key says how to go on")
	}
	if _, err := os.Stat(filepath.Join(repository, ".git")); err != nil {
		return "", bridge.Errorf(bridge.Invalid, "%s is no git repository", repository).WithHint("make one with git init, or name the directory that holds .git")
	}
	dir, err := filepath.Abs(filepath.Join(repository, "agentbridge-checkpoints"))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", bridge.Errorf(bridge.Invalid, "%w", err).WithHint("the repository must be writable")
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return "", bridge.Errorf(bridge.Denied, "%s is a link, or no directory", dir).WithHint("a repository from elsewhere may lead out of itself; remove it, or name another repository")
	}
	return filepath.Join(dir, strings.ReplaceAll(keys[0].Name(), "/", "-")+".txt"), nil
}

// firstLine is the origin of a note, for people.
func firstLine(note []byte) string {
	first, rest, _ := bytes.Cut(note, []byte("\n"))
	size, _, _ := bytes.Cut(rest, []byte("\n"))
	return fmt.Sprintf("%s at %s", first, size)
}
