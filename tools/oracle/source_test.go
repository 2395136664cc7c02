package oracle_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"agentbridge/internal/redact"
)

// Nobody wrote Go's own sources to please or to fool a scanner. They hold no secrets apart from their tests.
func TestScanner_LeavesGoSourcesAlone(t *testing.T) {
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	src := os.DirFS(strings.TrimSpace(string(root)) + "/src")
	sc, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, redact.MinKey)
	const lines = 30 // in a text
	texts, altered := 0, 0
	err = fs.WalkDir(src, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := fs.ReadFile(src, name)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(strings.SplitAfter(string(file), "\n"), lines) {
			text := strings.Join(part, "")
			if len(text) > 64<<10 || !redact.Valid(text) {
				continue // a table that somebody generated
			}
			masked, found, err := sc.Redact(key, text)
			if err != nil {
				return err
			}
			texts++
			if masked != redact.Sanitise(text) {
				altered++
				for _, f := range found {
					t.Logf("%s: %s %q", name, f.Kind, redact.Sanitise(text)[f.Start:f.End])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d texts altered", altered, texts)
	if texts < 1000 || altered*1000 > texts {
		t.Errorf("%d of %d texts altered, want at most one in a thousand of at least 1000", altered, texts)
	}
}
