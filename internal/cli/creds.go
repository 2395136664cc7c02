package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/creds"
)

// What a machine has for invites through git: DIR/creds/identity.json, its keys, and book.json, whom it trusts and what it took.
const (
	credsDir     = "creds"
	identityFile = "identity.json"
	bookFile     = "book.json"
)

func (p *program) credsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "creds",
		Short: "Bring invites to other machines through a git repository",
		Long: `Bring invites to other machines through a git repository that all of them reach, and take them there without anybody typing.

Each machine has keys of its own, and others know it by a fingerprint, which people compare on another way than the repository.
An invite is encrypted to one machine, signed by another that it trusts, good once, and for ten minutes. Tokens never leave a machine.`,
		Example: `  agentbridge creds init git@host:team/creds.git                  on each machine; shows its fingerprint
  agentbridge creds trust worker abcd-efgh-…                      on both sides, with the other's fingerprint
  agentbridge creds watch                                         on the worker's machine: takes invites when they come
  agentbridge create --as alpha --role leads --partner worker=tests --json | agentbridge creds push`,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.credsInitCommand(), p.credsTrustCommand(), p.credsForgetCommand(), p.credsListCommand(), p.credsPushCommand(), p.credsPullCommand(), p.credsWatchCommand())
	return cmd
}

// post is what a machine has for invites through git.
type post struct {
	dir  string
	self *creds.Identity
	book creds.Book
}

func (b *post) repository() creds.Repository {
	return creds.Repository{URL: b.book.URL, Branch: b.book.Branch, Dir: b.dir}
}

// post reads what `creds init` made.
func (p *program) post(conf *config) (*post, error) {
	b := &post{dir: filepath.Join(conf.Data, credsDir), self: new(creds.Identity)}
	for file, into := range map[string]any{identityFile: b.self, bookFile: &b.book} {
		text, err := readPrivate(filepath.Join(b.dir, file), p.log)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, bridge.Errorf(bridge.NotFound, "this machine takes part in no repository yet").WithHint("agentbridge creds init ADDRESS")
		}
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, into); err != nil {
			if ours, ok := errors.AsType[*bridge.Error](err); ok {
				return nil, ours
			}
			return nil, bridge.Errorf(bridge.Invalid, "%s is damaged", filepath.Join(b.dir, file)).WithHint("bring it back from a backup, or remove it and run `agentbridge creds init` and trust again")
		}
	}
	return b, nil
}

// note changes the book, alone among processes.
func (p *program) note(b *post, change func(*creds.Book) error) error {
	release, err := lockFile(context.Background(), filepath.Join(b.dir, making))
	if err != nil {
		return err
	}
	defer release()
	path := filepath.Join(b.dir, bookFile)
	text, err := readPrivate(path, p.log)
	var now creds.Book
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case json.Unmarshal(text, &now) != nil:
		return bridge.Errorf(bridge.Invalid, "%s is damaged", path).WithHint("bring it back from a backup, or remove it and run `agentbridge creds init` and trust again")
	}
	if err := change(&now); err != nil {
		return err
	}
	if text, err = json.Marshal(now); err != nil {
		return err
	}
	b.book = now
	return writePrivate(path, append(text, '\n'), true)
}

func (p *program) credsInitCommand() *cobra.Command {
	var branch string
	cmd := &cobra.Command{
		Use:   "init [ADDRESS]",
		Short: "Make this machine's keys, publish the public ones, and show their fingerprint",
		Long: `Make this machine's keys, publish the public ones in a git repository, and show their fingerprint. Done again it changes nothing but
what it is told; without an address it publishes them once more where they were.

The repository is a directory, ssh://git@host/path, git@host:path or https://host/path. git runs without hooks, prompts, and
configuration of yours: ssh needs a key in its agent or without a passphrase, https what ~/.netrc holds.`,
		Args: count(0, 1, "the address of a repository"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.credsInit(cmd.Context(), args, branch) },
	}
	cmd.Flags().StringVar(&branch, "branch", "", "branch of the repository, which holds nothing else (default "+creds.DefaultBranch+")")
	p.jsonFlag(cmd)
	return cmd
}

func (p *program) credsInit(ctx context.Context, args []string, branch string) error {
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	b, err := p.post(conf)
	switch {
	case errors.Is(err, bridge.NotFound) && len(args) == 0:
		return err
	case errors.Is(err, bridge.NotFound):
		b = &post{dir: filepath.Join(conf.Data, credsDir)}
	case err != nil:
		return err
	}
	address := b.book.URL
	if len(args) == 1 {
		if address, err = creds.CheckURL(args[0]); err != nil {
			return err
		}
	}
	branch = cmp.Or(branch, b.book.Branch, creds.DefaultBranch)
	if err := creds.CheckBranch(branch); err != nil {
		return err
	}
	if b.self, err = p.credsIdentity(conf, b.dir); err != nil {
		return err
	}
	self := b.self.Machine()
	err = creds.Repository{URL: address, Branch: branch, Dir: b.dir}.Publish(ctx, time.Now(), func(s *creds.Snapshot) (map[string][]byte, error) {
		if s.HasCard(ctx, self) {
			return nil, nil
		}
		return map[string][]byte{creds.CardFile(self.Fingerprint()): b.self.Card()}, nil
	})
	if err != nil {
		return err
	}
	// Only now: an address that leads nowhere does not take the place of one that did.
	if err := p.note(b, func(book *creds.Book) error { book.URL, book.Branch = address, branch; return nil }); err != nil {
		return err
	}
	return p.answer(map[string]any{"fingerprint": self.Fingerprint().String(), "repository": b.book.URL, "branch": b.book.Branch}, func() {
		p.printf("%s\n", self.Fingerprint())
		p.tell("this machine's keys are published in %s, branch %s", b.book.URL, b.book.Branch)
		p.tell("tell that fingerprint by a way that nobody else writes to: a call, a chat. On each machine that is to send to this one or to get from it:")
		p.tell("  agentbridge creds trust NAME %s", self.Fingerprint())
	})
}

// credsIdentity gives this machine's keys, which are made on first use. Of several processes one makes them.
func (p *program) credsIdentity(conf *config, dir string) (*creds.Identity, error) {
	if err := dataDir(conf.Data, p.log); err != nil {
		return nil, err
	}
	if err := privateDir(dir, true, p.log); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, identityFile)
	if !fileIsThere(path) {
		made, err := creds.NewIdentity()
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(made)
		if err != nil {
			return nil, err
		}
		if err := writePrivate(path, append(text, '\n'), false); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	text, err := readPrivate(path, p.log)
	if err != nil {
		return nil, err
	}
	self := new(creds.Identity)
	return self, json.Unmarshal(text, self)
}

// withPost runs a command of a machine that takes part in a repository.
func (p *program) withPost(do func(context.Context, *config, *post, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		conf, err := p.loadConfig()
		if err != nil {
			return err
		}
		b, err := p.post(conf)
		if err != nil {
			return err
		}
		return do(cmd.Context(), conf, b, args)
	}
}

func (p *program) credsTrustCommand() *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use:   "trust NAME FINGERPRINT",
		Short: "Send invites to a machine and take them from it, once its fingerprint was compared",
		Long: `Send invites to a machine and take them from it. The fingerprint is what "creds init" and "creds list" show on that machine; have it told
by a way that nobody else writes to. The name is yours alone: it is not in the repository.`,
		Example: "  agentbridge creds trust worker abcd-efgh-ijkl-mnop-qrst-uvwx-yz23-4567",
		Args:    count(2, 2, "a name and a fingerprint"),
		RunE: p.withPost(func(ctx context.Context, _ *config, b *post, args []string) error {
			if err := checkFileName(args[0]); err != nil {
				return err
			}
			f, err := creds.ParseFingerprint(args[1])
			if err != nil {
				return err
			}
			if f == b.self.Machine().Fingerprint() {
				return bridge.Errorf(bridge.Invalid, "that is the fingerprint of this machine").WithHint("give the other's; this machine's is for the other")
			}
			s, err := b.repository().Read(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			m, err := s.Machine(ctx, f)
			if err != nil {
				return err
			}
			if err := p.note(b, func(book *creds.Book) error { return book.Trust(args[0], m, replace) }); err != nil {
				return err
			}
			p.printf("%s  %s\n", args[0], f)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "let the name stand for another machine than before")
	return cmd
}

func (p *program) credsForgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "forget NAME",
		Short: "Trust a machine no longer: nothing is sent to it, and nothing of it is taken",
		Args:  count(1, 1, "the name of a machine"),
		RunE: p.withPost(func(_ context.Context, _ *config, b *post, args []string) error {
			return p.note(b, func(book *creds.Book) error { return book.Forget(args[0]) })
		}),
	}
}

type credsMachine struct {
	Name        string `json:"name,omitempty"`
	Fingerprint string `json:"fingerprint"`
	Published   bool   `json:"published"`
}

func (p *program) credsListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show this machine's fingerprint, whom it trusts, and who else is in the repository",
		Args:  count(0, 0, "none"),
		RunE: p.withPost(func(ctx context.Context, _ *config, b *post, _ []string) error {
			s, err := b.repository().Read(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			self, published := b.self.Machine().Fingerprint(), s.Machines()
			slices.Sort(published)
			trusted, others := []credsMachine{}, []credsMachine{}
			for _, name := range slices.Sorted(maps.Keys(b.book.Trusted)) {
				f := b.book.Trusted[name].Fingerprint()
				trusted = append(trusted, credsMachine{name, f.String(), slices.Contains(published, f)})
			}
			for _, f := range published {
				if f != self && b.book.NameOf(f) == "" {
					others = append(others, credsMachine{"", f.String(), true})
				}
			}
			answer := map[string]any{
				"fingerprint": self.String(), "published": slices.Contains(published, self), "repository": b.book.URL, "branch": b.book.Branch, "trusted": trusted, "others": others,
			}
			return p.answer(answer, func() {
				rows := [][]string{{"MACHINE", "FINGERPRINT", ""}, {"(this one)", self.String(), missing(slices.Contains(published, self))}}
				for _, m := range trusted {
					rows = append(rows, []string{m.Name, m.Fingerprint, missing(m.Published)})
				}
				for _, m := range others {
					rows = append(rows, []string{"-", m.Fingerprint, "not trusted here"})
				}
				p.table(rows...)
			})
		}),
	}
	p.jsonFlag(cmd)
	return cmd
}

func missing(published bool) string {
	if published {
		return ""
	}
	return "not in the repository; agentbridge creds init there publishes it again"
}
