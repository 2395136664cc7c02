//go:build postgres

package cli

import (
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// server is the variable with the address of a PostgreSQL server where tests may make schemas; make postgres starts one.
const server = "AGENTBRIDGE_TEST_POSTGRES"

// elsewhere finds stories that a store of their own is part of: they look at its file, or have a second one under another data directory,
// which the variable that names the PostgreSQL store would override. Those with hooks depend on how fast they are: a hook is given
// 80 ms, and a new connection may take longer on a busy machine.
var elsewhere = regexp.MustCompile(`bridge\.db|--data|AGENTBRIDGE_DATA|XDG_DATA_HOME|--store|AGENTBRIDGE_STORE|agentbridge hook `)

// apart are further stories that are not told on PostgreSQL, and why.
var apart = map[string]string{
	"a_silence_is_told_once":                    "lasts ten seconds, after which a killed process is silent, and known to be dead as well",
	"install_in_a_project_touches_nothing_else": "the address of the test's server holds a password, which install refuses to write down",
	"install_refuses_what_is_not_safe":          "the same",
}

// TestScript_OnPostgreSQL tells the stories again on a database: all that leave it open where their only store is.
func TestScript_OnPostgreSQL(t *testing.T) {
	all, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, is := apart[strings.TrimSuffix(filepath.Base(file), ".txtar")]; !is && !elsewhere.Match(text) {
			files = append(files, file)
		}
	}
	if len(files) < 25 {
		t.Errorf("%d of %d stories are told on PostgreSQL, which are hardly any", len(files), len(all))
	}
	stories(t, testscript.Params{Files: files}, func(env *testscript.Env) error {
		env.Setenv("AGENTBRIDGE_STORE", freshSchema(t))
		return nil
	})
}

// TestScript_AroundPostgreSQL tells the stories in which a deployment goes to a database or comes from one.
func TestScript_AroundPostgreSQL(t *testing.T) {
	stories(t, testscript.Params{Dir: filepath.Join("testdata", "postgres")}, func(env *testscript.Env) error {
		for _, name := range []string{"POSTGRES", "POSTGRES2", "POSTGRES3"} {
			env.Setenv(name, freshSchema(t))
		}
		return nil
	})
}

// freshSchema is the address of a store that is not there yet.
func freshSchema(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(os.Getenv(server))
	if err != nil || u.Scheme == "" {
		t.Fatalf("this test needs a PostgreSQL server: run make postgres, or name one in %s", server)
	}
	q := u.Query()
	q.Set("search_path", "cli_"+strings.ToLower(rand.Text()))
	u.RawQuery = q.Encode()
	return u.String()
}
