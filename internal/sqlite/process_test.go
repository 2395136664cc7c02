package sqlite

import (
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"agentbridge/internal/bridge"
)

var wellNamed = regexp.MustCompile(`^proc_[0-9a-f]{16}$`)

// remains gives the names of what is in the run directory.
func remains(t testing.TB, s *Store) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(s.runDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestDead_IsProvedByTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	s := start(t, path, Options{})
	for _, end := range []struct {
		how string
		do  func(c *child)
	}{
		{"closed", func(c *child) { c.say("") }},
		{"killed", func(c *child) { c.signal(syscall.SIGKILL) }},
	} {
		c := spawn(t, "live", path)
		instance := bridge.Instance(c.line())
		if !wellNamed.MatchString(string(instance)) {
			t.Fatalf("a process is named %q", instance)
		}
		c.signal(syscall.SIGSTOP)
		if s.Dead(instance) {
			t.Errorf("a stopped process is taken for dead")
		}
		c.signal(syscall.SIGCONT)
		if s.Dead(instance) {
			t.Errorf("a living process is taken for dead")
		}
		end.do(c)
		_ = c.end()
		for range 2 { // the second time all its files are gone
			if !s.Dead(instance) {
				t.Errorf("a process that was %s is not known to be dead", end.how)
			}
		}
		if names := remains(t, s); len(names) != 0 {
			t.Errorf("a process that was %s left %q", end.how, names)
		}
	}
}

func TestDead_KnowsWhatIsNoProcess(t *testing.T) {
	for _, path := range []string{memory, filepath.Join(t.TempDir(), "bridge.db")} {
		s := start(t, path, Options{})
		own := s.Instance()
		if !wellNamed.MatchString(string(own)) || s.Instance() != own {
			t.Errorf("%s: Instance() = %q, then %q", path, own, s.Instance())
		}
		for instance, want := range map[bridge.Instance]bool{
			own: false, "tok_0123456789abcdef": false, "": false,
			"proc_0123456789abcdef": true, "proc_": true, "proc_short": true, "proc_../../../bridge.db": true, "proc_*": true,
		} {
			if got := s.Dead(instance); got != want {
				t.Errorf("%s: Dead(%q) = %t, want %t", path, instance, got, want)
			}
		}
	}
}

func TestDead_OfAnotherStoreInThisProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	a, b := start(t, path, Options{}), start(t, path, Options{})
	if a.Dead(b.Instance()) || b.Dead(a.Instance()) {
		t.Error("a living store is taken for dead")
	}
	name := a.Instance()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if !b.Dead(name) {
		t.Error("a closed store is not known to be dead")
	}
}

func TestInstance_CleansUpAfterTheDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	c := spawn(t, "live", path)
	c.line()
	c.signal(syscall.SIGKILL)
	_ = c.end()
	s := start(t, path, Options{})
	if names := remains(t, s); len(names) != 3 { // lock, inbox and one sign
		t.Errorf("a killed process left %q, want three files", names)
	}
	name := string(s.Instance())
	if names := remains(t, s); len(names) != 1 || names[0] != name+".lock" {
		t.Errorf("after the next one started there are %q, want its lock alone", names)
	}
}
