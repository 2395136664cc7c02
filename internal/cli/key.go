package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Rotate and list the keys that sign tokens",
		Long: `Rotate and list the keys that sign tokens and invites. They lie in bridge.key in the data directory, not in the store, so that a copy of the
store lets nobody in. Back both up together: a store is opened with a key file that holds a key of its own, and refused with any other.`,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.keyRotateCommand(), p.keyListCommand(), p.keyAdoptCommand())
	return cmd
}

func (p *program) keyRotateCommand() *cobra.Command {
	var after duration
	var now bool
	cmd := &cobra.Command{
		Use:   "rotate [--retire-after D | --now]",
		Short: "Make a new key, which signs from now on",
		Long: `Make a new key, which signs tokens and invites from now on. What the older keys signed is good until they retire. Nothing needs to be
restarted: running processes find the new key, and agents of this machine get themselves new tokens in time. Agents elsewhere need a
new token until then: agentbridge token list shows which key signed each, agentbridge token new makes one.

--now is for a key that was stolen: every token and invite made until now is void at once. Then make new ones: agentbridge token new
--as NAME for each agent of this machine, agentbridge token new --name NAME for others, and invite again.

Back the key file up anew: a copy from before is refused.`,
		Args: count(0, 0, "none"),
	}
	cmd.Flags().Var(&after, "retire-after", "how long older keys go on (default token_ttl)")
	cmd.Flags().BoolVar(&now, "now", false, "end the older keys at once, with all that they signed")
	cmd.MarkFlagsMutuallyExclusive("retire-after", "now")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		switch {
		case now:
			after = 0
		case !cmd.Flags().Changed("retire-after"):
			after = duration(max(o.conf.Bridge.TokenTTL, time.Minute))
		case after == 0:
			return bridge.Errorf(bridge.Invalid, "old keys cannot go on for no time").WithHint("choose a time like 3h; --now ends them at once")
		}
		done, err := o.rotate(ctx, time.Duration(after))
		if err != nil {
			return err
		}
		return p.answer(done, func() {
			p.printf("%s signs from now on\n", done.Current)
			if now {
				p.printf("%s ended at once. Make new ones: agentbridge token new --as NAME\n", some(done.Revoked, "token", "tokens"))
			} else {
				p.printf("what older keys signed is good until %s\n", when(done.Until))
			}
			for _, id := range done.Retired {
				p.printf("%s is retired\n", id)
			}
		})
	})
}

// rotate puts a new key in place, one process at a time.
func (o *opened) rotate(ctx context.Context, retireAfter time.Duration) (bridge.KeyRotation, error) {
	if o.keys.path == "" {
		return bridge.KeyRotation{}, bridge.Errorf(bridge.Denied, "the keys come from %s, which cannot be rotated from here", keysVariable).
			WithHint("rotate where the keys are in a file, and give every hub the new text")
	}
	release, err := lockFile(ctx, o.keys.path+lockSuffix)
	if err != nil {
		return bridge.KeyRotation{}, err
	}
	defer release()
	if info, err := os.Stat(o.keys.path); err == nil && info.Mode().Perm()&0o200 == 0 {
		return bridge.KeyRotation{}, bridge.Errorf(bridge.Denied, "the key file %s is read-only", o.keys.path).WithHint("chmod 600 %s, if it may be rotated", o.keys.path)
	}
	return o.svc.RotateKeys(ctx, retireAfter, func(ring *bridge.KeyRing) error {
		text, err := ring.MarshalText()
		if err != nil {
			return err
		}
		return writePrivate(o.keys.path, text, true)
	})
}

func (p *program) keyListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys, never what they are",
		Args:  count(0, 0, "none"),
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		list, err := o.svc.Keys(ctx)
		if err != nil {
			return err
		}
		return p.answer(map[string]any{"keys": list}, func() {
			rows := [][]string{{"KEY ID", "STATE", "SINCE", "UNTIL", "TOKENS"}}
			at := func(t *time.Time, show func(time.Time) string) string {
				if t == nil {
					return "-"
				}
				return show(*t)
			}
			for _, k := range list {
				rows = append(rows, []string{k.ID, k.State, at(k.Since, clock), at(k.Until, when), strconv.Itoa(k.Tokens)})
			}
			p.table(rows...)
		})
	})
}

// ringFile is the key ring's file, and what it was when it was read last.
type ringFile struct {
	path string
	seen fs.FileInfo // nil: it was not there

	failed bool // it could not be read then
}

// changed reports whether the file is another than when this was asked last, or could not be read then.
func (r *ringFile) changed() bool {
	if r.failed {
		r.failed = false
		return true
	}
	info, err := os.Stat(r.path)
	if err != nil {
		info = nil
	}
	was := r.seen
	r.seen = info
	if info == nil || was == nil {
		return (info == nil) != (was == nil)
	}
	return !os.SameFile(info, was) || info.Size() != was.Size() || !info.ModTime().Equal(was.ModTime())
}

// reload reads the key ring again if its file changed; see [bridge.Options].
func (p *program) reload(r *ringFile) func() (*bridge.KeyRing, error) {
	return func() (*bridge.KeyRing, error) {
		if !r.changed() {
			return nil, nil
		}
		text, err := readPrivate(r.path, p.log)
		if errors.Is(err, fs.ErrNotExist) {
			err = bridge.Errorf(bridge.Invalid, "the key file %s is missing", r.path).WithHint("put it back from your backup")
		}
		var ring *bridge.KeyRing
		if err == nil {
			ring, err = bridge.ParseKeyRing(text)
		}
		if err != nil {
			r.failed = true // and so it is read again, although it may be the same by then
			return nil, err
		}
		return ring, nil
	}
}

// keyPath is where the key ring lies.
func keyPath(dir string) string { return filepath.Join(dir, keyFile) }
