package cli

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
)

// setup is what install and uninstall were asked for.
type setup struct {
	scope, name          string
	all, dryRun, noHooks bool

	undo  bool
	place clients.Place
	want  clients.Install
	notes []string
}

func (p *program) installCommand() *cobra.Command {
	s := &setup{}
	return p.setupCommand(s, &cobra.Command{
		Use:   "install [CLIENT…]",
		Short: "Put agentbridge into the settings of the clients that agents run in",
		Long: `Put agentbridge into the settings of clients: claude, codex, gemini, cursor, vscode. Without a name it shows which are here and asks.

Each client gets the MCP server "bridge", and hooks that tell its model when messages wait. The change is shown, and what else is in
the file stays as it is: comments, order, commas, line ends. What was there is kept beside it as NAME` + ".agentbridge-backup" + `, and
"agentbridge uninstall" gives it back byte for byte. Doing it twice changes nothing.

--scope project writes only into the working directory's settings, which everybody gets who works there.`,
		Example: "  agentbridge install --dry-run --all\n  agentbridge install claude codex\n  agentbridge install claude --scope project --as reviewer",
	})
}

func (p *program) uninstallCommand() *cobra.Command {
	s := &setup{undo: true}
	return p.setupCommand(s, &cobra.Command{
		Use:   "uninstall [CLIENT…]",
		Short: "Take agentbridge out of the settings of clients again",
		Long: `Take agentbridge out of the settings of clients: claude, codex, gemini, cursor, vscode. Without a name it shows where it is and asks.

A file that nobody changed since the install becomes what it was, byte for byte. From one that was changed, only the server and the
hooks are taken that start agentbridge.`,
		Example: "  agentbridge uninstall --all\n  agentbridge uninstall claude --scope project",
	})
}

func (p *program) setupCommand(s *setup, cmd *cobra.Command) *cobra.Command {
	flags := cmd.Flags()
	flags.StringVar(&s.scope, "scope", "user", "user: for all that you do; project: for the working directory")
	flags.StringVar(&s.name, "name", "bridge", "what the client calls the server")
	flags.BoolVar(&s.all, "all", false, "every client that is on this machine")
	flags.BoolVar(&s.dryRun, "dry-run", false, "show what would change, and change nothing")
	flags.BoolVar(&s.noHooks, "no-hooks", false, "only the server")
	p.asFlag(cmd)
	flags.Lookup("as").Usage = "the agent that the client's sessions act as (default: one for each working directory)"
	if s.undo {
		flags.Lookup("all").Usage = "every client that has it"
		flags.Lookup("no-hooks").Usage = "take only the server out, and leave the hooks"
		flags.MarkHidden("as") // whoever adds an un to the line of the install is understood
	}
	cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions([]string{"user", "project"}, cobra.ShellCompDirectiveNoFileComp))
	var names []string
	for _, c := range clients.All {
		names = append(names, c.Name)
	}
	cmd.ValidArgs = names
	cmd.RunE = func(_ *cobra.Command, args []string) error { return p.setUp(s, args) }
	return cmd
}

func (p *program) setUp(s *setup, args []string) error {
	if err := p.prepare(s); err != nil {
		return err
	}
	chosen, err := p.choose(s, args)
	if err != nil {
		return err
	}
	var failed error
	for _, c := range chosen {
		if failed != nil {
			p.tell("error: %s", bridge.AsError(failed).Text())
		}
		if err := p.setUpClient(s, c); err != nil {
			failed = err
		}
	}
	for _, note := range s.notes {
		p.tell("note: %s", note)
	}
	p.out.Flush() // also what goes before a refusal; its error stays and is told by flush
	return failed
}

// prepare settles what is to be written, and where settings are looked for.
func (p *program) prepare(s *setup) error {
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	home, err := os.UserHomeDir()
	if err == nil && !filepath.IsAbs(home) {
		err = fmt.Errorf("%q is not an absolute path", home)
	}
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "there is no home directory: %w", err).WithHint("set HOME")
	}
	dir, err := os.Getwd()
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "working directory: %w", err).WithHint("change to a directory that is there")
	}
	if s.scope != "user" && s.scope != "project" {
		return bridge.Errorf(bridge.Invalid, "--scope: there is no scope %q", s.scope).WithHint("user or project")
	}
	if s.name == "" || len(s.name) > 64 || strings.Trim(s.name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return bridge.Errorf(bridge.Invalid, "--name: %q cannot be a server's name", s.name).WithHint("1 to 64 letters, digits, _ or -")
	}
	if p.as != "" {
		if err := checkFileName(p.as); err != nil {
			return err
		}
	}
	s.place = clients.Place{Home: home, Dir: dir, OS: runtime.GOOS, Getenv: os.Getenv}
	binary, err := s.binary()
	if err != nil {
		return err
	}
	extra, err := p.given(conf)
	if err != nil {
		return err
	}
	s.want = clients.Install{Name: s.name, Path: binary, Args: append([]string{"mcp"}, extra...), Memory: filepath.Join(conf.Data, "installed")}
	if !s.noHooks {
		s.want.Hook = func(client string, e clients.Event) string {
			var line strings.Builder
			line.WriteString(quoted(binary) + " hook " + client + " " + string(e))
			for _, word := range extra {
				line.WriteString(" " + quoted(word))
			}
			return line.String()
		}
	}
	return nil
}

// given are the flags that a client has to start us with: those that this command line or its environment has.
func (p *program) given(conf *config) (extra []string, err error) {
	if p.as != "" {
		extra = append(extra, "--as", p.as)
	}
	if conf.from["data"] != "default" {
		extra = append(extra, "--data", conf.Data)
	}
	if from := conf.from["store"]; from == "--store" || from == variable("store") {
		store := conf.Store
		if path, ok := strings.CutPrefix(store, "sqlite:"); ok {
			if path, err = filepath.Abs(path); err != nil {
				return nil, bridge.Errorf(bridge.Invalid, "--store: %w", err)
			}
			store = "sqlite:" + path
		}
		if err := conf.checkAddress(); conf.onPostgres() && err != nil {
			return nil, err
		}
		extra = append(extra, "--store", store)
	}
	if p.config != "" || os.Getenv(variable("config")) != "" {
		file, err := filepath.Abs(conf.file)
		if err != nil {
			return nil, bridge.Errorf(bridge.Invalid, "--config: %w", err)
		}
		extra = append(extra, "--config", file)
	}
	return extra, nil
}

// binary is how clients are to start this program: by a path that outlives updates if there is one, and in settings that are shared
// by its name.
func (s *setup) binary() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", bridge.Errorf(bridge.Unavailable, "find this program: %w", err)
	}
	onPath, err := exec.LookPath("agentbridge")
	if s.scope == "project" && !s.undo {
		if err == nil {
			return "agentbridge", nil
		}
		s.notes = append(s.notes, "agentbridge is not on PATH, so the project's settings name "+self+", which others may not have")
	}
	if err == nil {
		a, errA := os.Stat(self)
		b, errB := os.Stat(onPath)
		if abs, err := filepath.Abs(onPath); errA == nil && errB == nil && err == nil && os.SameFile(a, b) {
			return abs, nil
		}
	}
	return self, nil
}

// quoted makes a word of a text, for the shell that runs a hook.
func quoted(word string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=@%:,./"
	switch {
	case runtime.GOOS == "windows" && strings.ContainsAny(word, " &()^"):
		return `"` + word + `"`
	case runtime.GOOS == "windows" || strings.Trim(word, plain) == "" && word != "":
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// choose settles which clients are meant. Where none is named, a person is asked.
func (p *program) choose(s *setup, args []string) (chosen []clients.Client, err error) {
	var names []string
	for _, c := range clients.All {
		names = append(names, c.Name)
	}
	for _, arg := range args {
		c, ok := clients.Named(arg)
		if !ok {
			e := bridge.Errorf(bridge.Invalid, "there is no client %q", arg).WithHint("the clients are %s", strings.Join(names, ", "))
			if near := nearest(arg, names); near != "" {
				e = e.WithHint("did you mean %s? The clients are %s", near, strings.Join(names, ", "))
			}
			return nil, e
		}
		chosen = append(chosen, c)
	}
	if len(args) > 0 && s.all {
		return nil, bridge.Errorf(bridge.Invalid, "--all and the names of clients exclude each other").WithHint("give one of them")
	}
	if len(args) > 0 {
		return chosen, nil
	}
	var found []clients.Client
	for _, c := range clients.All {
		if c.Found(s.place) || s.undo {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return nil, bridge.Errorf(bridge.NotFound, "no client is on this machine").WithHint("name one all the same: %s", strings.Join(names, ", "))
	}
	if s.all {
		return found, nil
	}
	p.offer(s, found)
	in, ok := p.stdin.(*os.File)
	if !ok || !isTerminal(in) || !isTerminal(p.stdout) {
		p.out.Flush()
		return nil, bridge.Errorf(bridge.Invalid, "no client was named, and there is no terminal to ask on").
			WithHint("name clients, or all of them with --all; --dry-run shows what would change")
	}
	return p.ask(found)
}

// offer shows the clients and what there is to do for each.
func (p *program) offer(s *setup, found []clients.Client) {
	rows := [][]string{{"", "CLIENT", "TO DO", "FILES"}}
	for i, c := range found {
		changes, err := s.plan(c)
		var files []string
		for _, ch := range changes {
			if ch.Changes() {
				files = append(files, ch.Path)
			}
		}
		does := "nothing: it is there"
		switch {
		case err != nil:
			does, files = "cannot: "+masked(bridge.AsError(err).Message), nil
		case len(files) == 0 && s.undo:
			does = "nothing: it is not there"
		case s.undo && len(files) > 0:
			does = "take it out"
		case len(files) > 0:
			does = "put it in"
		}
		rows = append(rows, []string{strconv.Itoa(i + 1), c.Name, does, strings.Join(files, " ")})
	}
	p.table(rows...)
}

// ask reads a person's choice: numbers, names, or all.
func (p *program) ask(found []clients.Client) (chosen []clients.Client, err error) {
	p.tell("Which? Numbers or names, or all; nothing for none.")
	line, _ := bufio.NewReader(p.stdin).ReadString('\n')
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' || r == '\r' }) {
		if word == "all" {
			return found, nil
		}
		if n, err := strconv.Atoi(word); err == nil && n >= 1 && n <= len(found) {
			chosen = append(chosen, found[n-1])
			continue
		}
		c, ok := clients.Named(word)
		if !ok {
			return nil, bridge.Errorf(bridge.Invalid, "%q is none of them", word).WithHint("numbers or names of the list, or all")
		}
		chosen = append(chosen, c)
	}
	return chosen, nil
}

func (s *setup) plan(c clients.Client) ([]*clients.Change, error) {
	if s.undo {
		return c.Uninstall(s.place, clients.Scope(s.scope), s.want, !s.noHooks)
	}
	return c.Install(s.place, clients.Scope(s.scope), s.want)
}

// setUpClient shows the change to one client's settings and makes it.
func (p *program) setUpClient(s *setup, c clients.Client) error {
	changes, err := s.plan(c)
	if err == nil {
		shown := false
		for _, ch := range changes {
			if ch.Changes() {
				p.printf("%s", masked(ch.Diff())) // other servers' keys may be beside ours
				shown = true
			}
		}
		if !shown {
			p.printf("%s: %s\n", c.Title, pickWord(s.undo, "it is not there; nothing to do", "it is there already; nothing to do"))
		}
		if s.dryRun {
			return nil
		}
		err = clients.Apply(changes)
		if err == nil && shown {
			p.done(s, c, changes)
		}
	}
	if err != nil && !s.undo && !s.dryRun {
		p.printf("%s: nothing was changed. To put it in by hand:\n%s", c.Title, c.Paste(s.place, clients.Scope(s.scope), s.want))
	}
	return err
}

func (p *program) done(s *setup, c clients.Client, changes []*clients.Change) {
	for _, ch := range changes {
		switch {
		case !ch.Changes():
		case s.undo && ch.After == nil:
			p.printf("removed %s\n", ch.Path)
		case s.undo:
			p.printf("wrote %s\n", ch.Path)
		case ch.Backup != "":
			p.printf("wrote %s; what was there is in %s\n", ch.Path, ch.Backup)
		default:
			p.printf("wrote %s\n", ch.Path)
		}
	}
	if note := c.Note(clients.Scope(s.scope)); note != "" && !s.undo {
		s.notes = append(s.notes, note)
	}
	if !s.undo {
		p.printf("%s: restart its sessions to use it\n", c.Title)
	}
}

func pickWord(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
