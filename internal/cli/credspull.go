package cli

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/creds"
)

const credsEvery = time.Minute

// taking is locked, in the directory of creds, while a process joins.
const taking = ".taking"

func (p *program) credsPullCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pull",
		Short: "Take the invites that came for this machine: join, and keep the tokens here",
		Long: `Take the invites that trusted machines sent to this one: join, as "agentbridge join" does with a code, and keep the tokens here. Invites are good
for ten minutes, so "creds watch" looks for them by itself.`,
		Args: count(0, 0, "none"),
		RunE: p.withPost(func(ctx context.Context, conf *config, b *post, _ []string) error {
			var box mailbox
			n, err := p.collect(ctx, conf, b, &box)
			if err == nil && n == 0 {
				p.tell("nothing new for this machine")
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&p.as, "as", "", "what to call the agent on this machine (default as the invite says)")
	return cmd
}

func (p *program) credsWatchCommand() *cobra.Command {
	every := duration(credsEvery)
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Look for invites and take them when they come, until it is ended",
		Long: `Look for invites once a minute and take them as "creds pull" does, until it is ended. Where the repository is a directory of this machine, a
push is noticed within a second. While the repository or a hub cannot be reached it tries again, sooner at first.`,
		Args: count(0, 0, "none"),
		RunE: p.withPost(func(ctx context.Context, conf *config, b *post, _ []string) error {
			if time.Duration(every) < time.Second {
				return bridge.Errorf(bridge.Invalid, "--every is less than a second").WithHint("60s is the default")
			}
			return p.credsWatch(ctx, conf, b, time.Duration(every))
		}),
	}
	cmd.Flags().StringVar(&p.as, "as", "", "what to call the agent on this machine (default as the invite says)")
	cmd.Flags().Var(&every, "every", "how often to ask the repository")
	return cmd
}

func (p *program) credsWatch(ctx context.Context, conf *config, b *post, every time.Duration) error {
	box := mailbox{watched: true}
	said := ""
	p.tell("watching for invites in %s, branch %s, every %s", b.book.URL, b.book.Branch, showDuration(every))
	b.repository().Watch(ctx, every, func(ctx context.Context) error {
		if now, err := p.post(conf); err == nil { // a person may have trusted somebody meanwhile
			same := maps.EqualFunc(now.book.Trusted, b.book.Trusted, func(x, y creds.Machine) bool { return x.Fingerprint() == y.Fingerprint() })
			if !same || now.book.URL != b.book.URL || now.book.Branch != b.book.Branch {
				box.tip = ""
			}
			b = now
		}
		_, err := p.collect(ctx, conf, b, &box)
		_ = p.out.Flush()
		now := ""
		if err != nil && ctx.Err() == nil {
			now = masked(bridge.AsError(err).Text())
		}
		if now != said && now != "" { // once, not every minute
			p.tell("%s", now)
		} else if now != said && ctx.Err() == nil {
			p.tell("all is well again")
		}
		said = now
		return err
	})
	return nil
}

// mailbox is what a process remembers of the repository from pass to pass.
type mailbox struct {
	tip     string
	watched bool // an invite that is lost is told, and is no failure
	strange bool // it was told that what nobody trusted sent lies there
}

// collect takes what came for this machine, and gives how many invites it dealt with. An error is of the first that could not be taken; those
// that may be later are left for the next time.
func (p *program) collect(ctx context.Context, conf *config, b *post, box *mailbox) (dealt int, err error) {
	repository := b.repository()
	if box.tip != "" {
		if tip, err := repository.Tip(ctx); err != nil || tip == box.tip {
			return 0, err
		}
	}
	s, err := repository.Read(ctx)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if s.Tip == "" {
		return 0, bridge.Errorf(bridge.NotFound, "there is no branch %s in the repository", b.book.Branch).WithHint("agentbridge creds init publishes this machine there again")
	}
	invites, ignored, err := p.unsealed(ctx, s, b)
	if err != nil {
		return 0, err
	}
	if ignored > 0 && !box.strange {
		p.tell("note: %s for this machine passed over: from no machine that is trusted here, damaged, or too old", some(ignored, "file", "files"))
	}
	box.strange = ignored > 0
	box.tip = s.Tip
	if len(invites) == 0 {
		return 0, nil
	}
	release, err := lockFile(ctx, filepath.Join(b.dir, taking)) // another process takes the same
	if err != nil {
		box.tip = ""
		return 0, err
	}
	defer release()
	if b, err = p.post(conf); err != nil {
		return 0, err
	}
	for _, i := range invites {
		if b.book.Has(i) || b.book.NameOf(i.From) == "" {
			continue // meanwhile
		}
		final, failed := p.take(ctx, conf, b, i)
		if final {
			if err := p.note(b, func(book *creds.Book) error { book.Take(i, time.Now()); return nil }); err != nil {
				return dealt, err
			}
			dealt++
		} else {
			box.tip = "" // it is there still when nobody pushed
		}
		if final && failed != nil && box.watched {
			p.tell("it was not taken: %s", masked(bridge.AsError(failed).Text()))
		} else {
			err = cmp.Or(err, failed)
		}
	}
	return dealt, err
}

// unsealed gives the invites in this machine's box that were not dealt with, oldest first.
func (p *program) unsealed(ctx context.Context, s *creds.Snapshot, b *post) (invites []creds.Invite, ignored int, err error) {
	now := time.Now()
	sealed, err := s.Box(ctx, b.self.Machine().Fingerprint(), now)
	if err != nil {
		return nil, 0, err
	}
	for _, text := range sealed {
		i, err := b.self.Open(text, b.book.Senders(), now)
		switch {
		case err != nil:
			ignored++
		case !b.book.Has(i) && !slices.ContainsFunc(invites, func(other creds.Invite) bool { return other.ID == i.ID }):
			invites = append(invites, i)
		}
	}
	slices.SortFunc(invites, func(x, y creds.Invite) int { return x.Created.Compare(y.Created) })
	return invites, ignored, nil
}

// take joins with an invite. final: it was dealt with, well or not, and is not to be tried again.
func (p *program) take(ctx context.Context, conf *config, b *post, i creds.Invite) (final bool, err error) {
	at, name, _ := bridge.CodeHub(i.Code)
	as := p.as
	defer func() { p.as = as }() // which joining may settle
	p.tell("an invite from %s", b.book.NameOf(i.From))
	err = p.joinHub(ctx, conf, i.Code, at, name)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, bridge.Denied), errors.Is(err, bridge.Expired), errors.Is(err, bridge.Invalid), errors.Is(err, bridge.Conflict) && as == "":
		return true, err
	}
	return false, err
}
