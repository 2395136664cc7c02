package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/sandbox/inner"
)

// Check is one attempt of a probe: what must be so, whether it is, and if not, what happened.
type Check = inner.Check

// Report is what a probe found.
type Report struct {
	Tier    Tier     `json:"tier"`
	Version string   `json:"version,omitempty"` // what the tier is made of
	Checks  []Check  `json:"checks,omitempty"`
	Notes   []string `json:"notes,omitempty"`   // limits that are not there, and what could not be tried
	Missing []string `json:"missing,omitempty"` // why no stronger tier, one for each
	Hint    string   `json:"hint,omitempty"`    // the way to a stronger tier, or out of a failure
}

// OK reports whether restricted and yolo commands can run: the tier is strong enough and every wall held.
func (r Report) OK() bool {
	return r.Tier != None && r.Tier != Landlock && r.Held()
}

// Held reports whether every wall that was tried held.
func (r Report) Held() bool {
	return !slices.ContainsFunc(r.Checks, func(c Check) bool { return !c.Held })
}

// longestTemp is how long the path of a directory may be, in bytes, in which a socket of the probe has a path that the system takes.
const longestTemp = 50

// Probe really tries to break out of the sandbox that commands would run in with these options, in a workspace of its own (that of
// the options is not used): it reads, writes and connects where it must not, and finds out what happened. It takes a tenth of a
// second. An error means that it could not be tried; then nothing should be run either.
func Probe(ctx context.Context, o Options) (Report, error) {
	temp := ""
	if len(os.TempDir()) > longestTemp {
		temp = "/tmp"
	}
	dir, err := os.MkdirTemp(temp, "agentbridge-probe-")
	if err != nil {
		return Report{Tier: None}, fmt.Errorf("prepare the probe: %w", err)
	}
	defer os.RemoveAll(dir)
	scene, err := prepare(realPath(dir))
	if err != nil {
		return Report{Tier: None}, fmt.Errorf("prepare the probe: %w", err)
	}
	defer scene.close()
	o.Workspace, o.Hidden = scene.Workspace, append(slices.Clone(o.Hidden), scene.Hidden)
	seen := o
	seen.ReadOnly = append(slices.Clone(o.ReadOnly), filepath.Dir(scene.Hidden)) // so that it is hiding it that hides it
	s, err := New(seen)
	if err == nil && s.tier == None {
		s, err = New(o) // only bubblewrap can hide a part of what is seen
	}
	if err != nil {
		return Report{Tier: None}, err
	}
	report := Report{Tier: s.tier, Missing: s.missing}
	if s.tier != Bubblewrap {
		report.Hint = Install
	}
	if s.box == nil {
		return report, nil
	}
	report.Version, report.Notes = s.box.version()
	if s.tier != Bubblewrap && s.tier != Landlock {
		report.Notes = append(report.Notes, "the walls are the engine's and were not tried")
		return report, nil
	}
	scene.FileBytes, scene.ReadOnly = s.options.Limits.FileBytes, s.tier == Landlock
	text, err := json.Marshal(scene.Targets)
	if err != nil {
		return report, fmt.Errorf("prepare the probe: %w", err)
	}
	result, err := s.Run(ctx, Command{Steps: Pipe([]string{inner.Trial, string(text)}), ReadOnly: scene.ReadOnly, Time: 20 * time.Second})
	if err != nil {
		return report, err
	}
	if result.Exit != 0 || json.Unmarshal(result.Output, &report.Checks) != nil {
		return report, refusal(Broken, Install, "the probe ended early: %s, exit status %d", result.Ending, result.Exit)
	}
	report.Checks = append(report.Checks, scene.left())
	return report, nil
}

// scene is what a probe goes for, and who listens there.
type scene struct {
	inner.Targets
	listeners []net.Listener
	dir       string
}

func prepare(dir string) (*scene, error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	s := &scene{dir: dir, Targets: inner.Targets{
		Secret: at("outside/secret"), Hidden: at("seen/data"), Outside: at("outside"), Workspace: at("workspace"), Variable: inherited(),
		Unix: at("outside/socket"), Abstract: "agentbridge-probe-" + filepath.Base(dir),
	}}
	for _, dir := range []string{s.Outside, s.Hidden, filepath.Join(s.Workspace, ".git", "hooks")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	for _, file := range []string{s.Secret, filepath.Join(s.Hidden, "bridge.db"), filepath.Join(s.Workspace, ".git", "config")} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return nil, err
		}
	}
	addresses := []struct{ network, address string }{{"tcp4", "127.0.0.1:0"}, {"unix", s.Unix}, {"unix", "@" + s.Abstract}}
	for _, a := range addresses {
		l, err := net.Listen(a.network, a.address)
		if err != nil {
			if strings.HasPrefix(a.address, "@") {
				continue // only Linux has them
			}
			s.close()
			return nil, err
		}
		s.listeners = append(s.listeners, l)
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			s.TCP = tcp.Port
		}
	}
	return s, nil
}

// inherited is the name of a variable of this process that commands do not have; "PWD" if there is none.
func inherited() string {
	ours := environment(Command{}, "", "")
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		if value != "" && !slices.ContainsFunc(ours, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
			return name
		}
	}
	return "PWD"
}

// left looks from outside at what the trial left.
func (s *scene) left() Check {
	check := Check{Name: "nothing is left outside the workspace, and in it what was there", Held: true}
	for dir, want := range map[string][]string{s.Outside: {"secret", "socket"}, s.Hidden: {"bridge.db"}, s.Workspace: {".git"}, filepath.Join(s.Workspace, ".git", "hooks"): nil} {
		entries, err := os.ReadDir(dir)
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		if err != nil || !slices.Equal(names, want) {
			check.Held, check.Detail = false, fmt.Sprintf("%s holds %q", filepath.Base(dir), names)
		}
	}
	return check
}

func (s *scene) close() {
	for _, l := range s.listeners {
		l.Close()
	}
}
