package sqlite

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"agentbridge/internal/bridge"
)

// process is how other processes know this one: by a name, and by a lock that the system drops when the process ends, however it
// ends. Its files in the run directory are NAME.lock, and while it watches those of [watch].
type process struct {
	mu   sync.Mutex // guards all below
	name bridge.Instance
	lock *os.File
}

// Instance names this process, or rather this Store in it. The first call takes the lock that proves it alive until Close.
// Where no lock can be made the name is given all the same, and others will think the process dead: what it holds may then be
// delivered twice, but never lost.
func (s *Store) Instance() bridge.Instance {
	p := &s.self
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lock != nil || p.name != "" && s.runDir == "" {
		return p.name
	}
	if p.name == "" {
		p.name = newName()
	}
	if s.runDir == "" {
		return p.name
	}
	if err := p.hold(s.runDir); err != nil {
		s.opts.Logger.Error("no lock proves this process alive", "instance", p.name, "error", err)
		return p.name
	}
	s.bury(p.name)
	return p.name
}

func newName() bridge.Instance {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	return bridge.Instance("proc_" + hex.EncodeToString(id))
}

// hold makes and locks the process's file.
func (p *process) hold(run string) error {
	// It gets its name with its lock already taken: without it, others would take it for a dead process's and remove it.
	name := lockFile(run, p.name)
	f, err := openPrivate(filepath.Join(run, "new_"+string(p.name)))
	if err != nil {
		return err
	}
	if err := errors.Join(tryLock(f), os.Rename(f.Name(), name)); err != nil {
		return errors.Join(err, f.Close())
	}
	p.lock = f
	return nil
}

// known gives the process's name if it has one yet.
func (p *process) known() bridge.Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.name
}

func id(instance bridge.Instance) string { return strings.TrimPrefix(string(instance), "proc_") }

func lockFile(run string, name bridge.Instance) string {
	return filepath.Join(run, string(name)+".lock")
}

// bury cleans up after those that died and were never asked about.
func (s *Store) bury(own bridge.Instance) {
	names, _ := filepath.Glob(lockFile(s.runDir, "proc_*"))
	for _, name := range names {
		if i := bridge.Instance(strings.TrimSuffix(filepath.Base(name), ".lock")); i != own {
			dead(s.runDir, i)
		}
	}
}

// Dead reports whether instance is a process of this machine that is known to have ended: its lock is free, or gone with it. It is
// never true for this process, nor for a token. It removes what a dead process left in the run directory.
func (s *Store) Dead(instance bridge.Instance) bool {
	if !strings.HasPrefix(string(instance), "proc_") || instance == s.self.known() {
		return false
	}
	return s.runDir == "" || dead(s.runDir, instance)
}

func dead(run string, instance bridge.Instance) bool {
	if _, err := hex.DecodeString(id(instance)); err != nil || len(id(instance)) != 16 {
		return true // no process ever had that name
	}
	f, err := os.Open(lockFile(run, instance))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	if err := tryShare(f); err != nil { // shared, so that two who ask at once do not take each other for the living
		return false
	}
	remove(run, instance)
	return true
}

// remove deletes the files of a process, its lock last.
func remove(run string, instance bridge.Instance) {
	removeBox(run, box(instance))
	_ = os.Remove(lockFile(run, instance))
}

func (p *process) close(run string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lock == nil {
		return nil
	}
	remove(run, p.name)
	return p.lock.Close()
}
