package clients

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"agentbridge/internal/bridge"
)

// Change is what an install or an uninstall does to one settings file. Nothing is written before [Apply].
type Change struct {
	Client string
	Path   string // as the client names it
	Before []byte
	After  []byte // nil: the file is removed
	Backup string // where Before is kept; empty: there was nothing to keep

	scope  Scope
	target string // Path without symbolic links
	mode   fs.FileMode
	there  bool // the file exists
	keep   bool // the backup that there is stays
	undo   bool
	base   []byte // what the backup is to hold
	record string // path of the record
	was    record
}

// record is what an install remembers of a file, to know at the uninstall whether anybody touched it since.
type record struct {
	Path   string   `json:"path"`
	Absent bool     `json:"absent"`           // there was no file
	Made   []string `json:"made,omitempty"`   // directories that were made for it
	Wrote  string   `json:"wrote"`            // SHA-256 of what install wrote
	Base   string   `json:"base,omitempty"`   // SHA-256 of the backup
	Backup string   `json:"backup,omitempty"` // its path
}

// backupSuffix is added to a settings file's name.
const backupSuffix = ".agentbridge-backup"

// Install says which server and hooks a client is to have.
type Install struct {
	Name   string                              // the server's, usually bridge
	Path   string                              // the program
	Args   []string                            // its arguments, from "mcp" on
	Hook   func(client string, e Event) string // the shell's line for a hook; nil: no hooks
	Memory string                              // directory for what uninstall has to know
}

func (w Install) wish(c Client) wish {
	out := wish{name: w.Name, server: command{w.Path, w.Args}}
	if w.Hook != nil {
		out.hook = func(e Event) string { return w.Hook(c.Name, e) }
	}
	return out
}

func (w Install) recordOf(path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(w.Memory, hex.EncodeToString(sum[:8])+".json")
}

// Install works out what has to change, file by file, so that a client has what it is to have. No change: it has. A file that holds
// another server of that name is [bridge.Conflict]; one that cannot be understood is [bridge.Invalid], and so is a project whose settings
// are the user's own.
func (c Client) Install(p Place, s Scope, w Install) (changes []*Change, err error) {
	wanted := w.wish(c)
	for _, f := range c.files(p, s) {
		if c.everywhere(p, s, f) {
			return nil, bridge.Errorf(bridge.Invalid, "%s is yours for all that you do, and not a project's", f.path).
				WithHint("change to the project's directory, or use --scope user")
		}
		ch, err := c.look(f, s, w)
		if err != nil {
			return nil, err
		}
		base, known := ch.origin()
		if ch.After, err = f.put(ch.Before, base, known, wanted); err != nil {
			return nil, err
		}
		if ch.there && bytes.Equal(ch.Before, ch.After) || !ch.there && len(ch.After) == 0 {
			continue
		}
		// What the uninstall gives back: what there was before the first of our installs, with all that others did to it since. An
		// agentbridge that a person put there is in it, for that person: the uninstall takes it out.
		if ch.keep = known && ch.untouched(); !ch.keep {
			ch.base = ch.Before
			if ch.was.Path != "" {
				if ch.base, err = f.remove(ch.Before, base, known, w.Name, true); err != nil {
					return nil, err
				}
			}
			ours := !bytes.Equal(ch.base, ch.Before)
			ch.was.Absent = !ch.there || ours && ch.was.Absent && f.vacant(ch.base)
		}
		ch.Backup = ""
		if !ch.was.Absent {
			ch.Backup = ch.Path + backupSuffix
		}
		changes = append(changes, ch)
	}
	return changes, nil
}

// Uninstall works out how to take ours out again: a file that nobody touched since the install becomes what it was, byte for byte;
// from another one only what is ours is taken. hooks says whether the hooks go, too.
func (c Client) Uninstall(p Place, s Scope, w Install, hooks bool) (changes []*Change, err error) {
	for _, f := range c.files(p, s) {
		ch, err := c.look(f, s, w)
		if err != nil {
			return nil, err
		}
		if ch.undo = true; c.everywhere(p, s, f) {
			continue
		}
		if !ch.there && ch.was.Path == "" {
			continue
		}
		base, known := ch.origin()
		switch {
		case !ch.there: // only what was kept is left
		case known && ch.untouched() && hooks && ch.was.Absent:
		case known && ch.untouched() && hooks:
			if ch.After, err = f.remove(base, nil, false, w.Name, true); err != nil {
				return nil, err
			}
		default:
			if ch.After, err = f.remove(ch.Before, base, known, w.Name, hooks); err != nil {
				return nil, err
			}
			if bytes.Equal(ch.After, ch.Before) && ch.was.Path == "" {
				continue
			}
			if ch.was.Absent && f.vacant(ch.After) {
				ch.After = nil
			}
		}
		changes = append(changes, ch)
	}
	return changes, nil
}

// Changes reports whether the file will be another one. If not, only what the install kept beside it goes.
func (ch *Change) Changes() bool {
	return ch.there != (ch.After != nil) || !bytes.Equal(ch.Before, ch.After)
}

// look reads a settings file and what is remembered of it.
func (c Client) look(f settings, s Scope, w Install) (ch *Change, err error) {
	ch = &Change{Client: c.Name, Path: f.path, scope: s, record: w.recordOf(f.path), mode: 0o600}
	if s == Project {
		ch.mode = 0o644 // others work there, too
	}
	if ch.target, err = targetOf(f.path); err != nil {
		return nil, err
	}
	switch info, err := os.Stat(ch.target); {
	case err == nil:
		ch.there, ch.mode = true, info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, bridge.Errorf(bridge.Denied, "%w", err).WithHint("it must be readable by you")
	}
	if ch.there {
		ch.Before = []byte{}
		if ch.Before, err = readSettings(ch.target); err != nil {
			return nil, err
		}
	}
	if text, err := os.ReadFile(ch.record); err == nil && json.Unmarshal(text, &ch.was) == nil && ch.was.Path != f.path {
		ch.was = record{}
	}
	ch.Backup = ch.was.Backup
	return ch, nil
}

// origin is the text before the install, if it is known.
func (ch *Change) origin() (base []byte, known bool) {
	switch {
	case ch.was.Path == "":
		return nil, false
	case ch.was.Absent:
		return nil, true
	}
	base, err := os.ReadFile(ch.was.Backup)
	return base, err == nil && digest(base) == ch.was.Base
}

// untouched reports whether the file is as the last install left it.
func (ch *Change) untouched() bool { return ch.there && digest(ch.Before) == ch.was.Wrote }

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Apply makes changes, all or none. One that its owner's settings do not allow is [bridge.Denied], and a file that changed meanwhile
// is [bridge.Conflict].
func Apply(changes []*Change) error {
	for _, ch := range changes {
		if err := writable(ch.target); err != nil {
			return err
		}
	}
	var done []*Change
	for _, ch := range changes {
		err := ch.apply()
		if err == nil {
			done = append(done, ch)
			continue
		}
		for _, d := range slices.Backward(done) {
			err = errors.Join(err, d.revert())
		}
		if _, ok := errors.AsType[*bridge.Error](err); !ok {
			err = bridge.Errorf(bridge.Unavailable, "%w", err).WithHint("is the disk full? The files are as they were")
		}
		return err
	}
	for _, ch := range changes {
		if ch.undo {
			ch.forget()
		}
	}
	return nil
}

func (ch *Change) apply() error {
	now, err := os.ReadFile(ch.target)
	if there := err == nil; there != ch.there || there && !bytes.Equal(now, ch.Before) {
		return bridge.Errorf(bridge.Conflict, "%s: another program changed it just now", ch.Path).WithHint("do the same again")
	}
	if ch.undo {
		if !ch.Changes() {
			return nil
		}
		if ch.After == nil {
			return os.Remove(ch.target)
		}
		return replace(ch.target, ch.After, ch.mode)
	}
	if err := ch.remember(); err != nil {
		return err
	}
	return replace(ch.target, ch.After, ch.mode)
}

// remember makes the backup, the directories and the record: all that an uninstall needs, before anything is changed.
func (ch *Change) remember() error {
	made, err := makeDirs(filepath.Dir(ch.target), pickMode(ch.scope))
	if err != nil {
		removeDirs(made)
		return err
	}
	next := record{Path: ch.Path, Absent: ch.was.Absent, Made: ch.was.Made, Wrote: digest(ch.After), Base: ch.was.Base, Backup: ch.Backup}
	if len(made) > 0 {
		next.Made = made
	}
	if !ch.keep && ch.Backup != "" {
		if err := replace(ch.Backup, ch.base, 0o600); err != nil {
			return err
		}
		next.Base = digest(ch.base)
	}
	text, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(ch.record), 0o700); err != nil {
		return err
	}
	ch.was = next
	return replace(ch.record, append(text, '\n'), 0o600)
}

func pickMode(s Scope) fs.FileMode {
	if s == Project {
		return 0o755
	}
	return 0o700
}

// revert puts back what apply changed, because a later change failed.
func (ch *Change) revert() error {
	if ch.there {
		return replace(ch.target, ch.Before, ch.mode)
	}
	err := os.Remove(ch.target)
	ch.forget()
	return err
}

// forget takes away what the install left beside the file.
func (ch *Change) forget() {
	if ch.was.Backup != "" {
		os.Remove(ch.was.Backup)
	}
	if ch.After == nil || !ch.undo {
		removeDirs(ch.was.Made)
	}
	os.Remove(ch.record)
	os.Remove(filepath.Dir(ch.record)) // if it is empty
}

// Paste is what a person can put into a client's settings by hand where a program may not.
func (c Client) Paste(p Place, s Scope, w Install) string {
	wanted := w.wish(c)
	var text strings.Builder
	for _, f := range c.files(p, s) {
		if snippet, err := f.put(nil, nil, false, wanted); err == nil && len(snippet) > 0 {
			text.WriteString("--- " + f.path + "\n" + string(snippet))
		}
	}
	return text.String()
}
