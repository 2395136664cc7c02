package agentbridge_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// promising are the pages that name the tests which prove what they promise.
var promising = []string{"doc/guarantees.md", "doc/threat-model.md"}

// A promise whose test was renamed or removed is none any more.
func TestPromises_NameTestsThatExist(t *testing.T) {
	there, err := testNames(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"TestPromises_NameTestsThatExist": true, "TestPromises_…": true, "TestPromises": false, "TestNo_…": false, "no_such.txtar": false} {
		if exists(name, there) != want {
			t.Errorf("exists(%s) = %t, want %t", name, !want, want)
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*(?:_\\w*…|…)?|[a-z_]+\\.txtar)`")
	for _, page := range promising {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := named.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no test", page)
		}
		for _, match := range found {
			if !exists(match[1], there) {
				t.Errorf("%s names %s, and there is no such test", page, match[1])
			}
		}
	}
}

// exists looks for a test, or for any that begins like it where the name ends in an ellipsis.
func exists(name string, there map[string]bool) bool {
	prefix, open := strings.CutSuffix(name, "…")
	if !open {
		return there[name]
	}
	for other := range there {
		if strings.HasPrefix(other, prefix) {
			return true
		}
	}
	return false
}

// testNames are the tests and fuzz targets of the repository, and its stories.
func testNames(repo fs.FS) (map[string]bool, error) {
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := fs.WalkDir(repo, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".txtar") {
			names[path.Base(name)] = true
		}
		if strings.HasSuffix(name, ".go") { // the store contract's tests are in files of another name
			text, err := fs.ReadFile(repo, name)
			if err != nil {
				return err
			}
			for _, match := range declared.FindAllSubmatch(text, -1) {
				names[string(match[1])] = true
			}
		}
		return nil
	})
	return names, err
}
