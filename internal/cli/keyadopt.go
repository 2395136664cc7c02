package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) keyAdoptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Go on with the key file at hand, after you put an older store back on purpose; from your terminal",
		Long: `Make the key file at hand the store's own. That is for a store put back from a backup which is older than every key in the file: it is
refused as another store's. If the key file of that backup is there, put it back instead, and every token stays good.

It is an entry, key_adopt. Tokens and invites that other keys signed are void: make new ones with agentbridge token new --as NAME for each
agent of this machine, agentbridge token new --name NAME for others, and invite again. A key that this store has left behind is not adopted.`,
		Args: count(0, 0, "none"),
	}
	p.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := atTerminal("key adopt"); err != nil {
			return err
		}
		return p.adoptKeys(cmd.Context())
	}
	return cmd
}

// adoptKeys lets the store go by the key file, while nobody rotates.
func (p *program) adoptKeys(ctx context.Context) error {
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	b, err := p.openStore(ctx, conf, existing)
	if err != nil {
		return err
	}
	defer b.store.Close()
	if b.file.path != "" {
		release, err := lockFile(ctx, b.file.path+lockSuffix)
		if err != nil {
			return err
		}
		defer release()
		if b.ring, err = readKeys(conf.Data, b.path, p.log); err != nil { // somebody may have rotated a moment ago
			return err
		}
	}
	done, err := bridge.AdoptKeys(ctx, b.store, b.ring)
	if err != nil {
		return err
	}
	return p.answer(done, func() {
		p.printf("%s signs from now on, instead of %s\n", done.Current, dash(strings.Join(done.Before, ", ")))
		p.printf("%s ended. Make new ones: agentbridge token new --as NAME\n", some(done.Ended, "token", "tokens"))
		p.tell("if you put an older store back, its log is not the one that was seen before, either: agentbridge audit accept")
	})
}
