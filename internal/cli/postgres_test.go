//go:build postgres

package cli

import (
	"crypto/rand"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// server is the variable with the address of a PostgreSQL server where tests may make schemas; make postgres starts one.
const server = "AGENTBRIDGE_TEST_POSTGRES"

// ofFiles are the stories that a store in a file is part of, and why.
var ofFiles = map[string]string{
	"agents_join_a_hub":                             "other machines are other --data, which the environment would give the hub's store",
	"a_pasted_code_is_not_shown":                    "the same",
	"a_rolled_back_store_is_told_once":              "puts back an older copy of the file",
	"a_store_from_a_backup_adopts_the_keys_at_hand": "puts back an older copy of the file",
	"an_outsider_checks_the_log":                    "opens a second store by another --data",
	"checkpoints_are_kept_elsewhere":                "puts back an older copy of the file",
	"doctor_hears_every_client":                     "clients find the store by --data alone",
	"doctor_tells_no_listener_from_a_deaf_one":      "a client opens another store by --data",
	"hook_harms_no_client":                          "writes another version into the file",
	"install_asks_which":                            "the address of the test's server holds a password, which install refuses",
	"install_gives_back_every_byte":                 "the same",
	"install_in_a_project_touches_nothing_else":     "the same",
	"install_refuses_what_is_not_safe":              "the same",
	"settings_say_where_they_come_from":             "sets the store in a file, which the environment would override",
	"the_data_directory_is_private":                 "looks at the file's mode",
	"the_log_shows_what_was_done":                   "asks the file with SQL",
	"tokens_end_and_are_renewed":                    "opens a second store by another --data",
	"the_demo_keeps_its_promises":                   "names the demo's store by --data, which the environment would override",
	"a_silence_is_told_once":                        "lasts ten seconds, after which a killed process is silent, and known to be dead as well",
	"hook_tells_that_messages_wait":                 "a hook is given 80 ms, and a new connection may take longer on a busy machine",
	"hook_knows_its_session":                        "the same",
	"what_is_no_store_is_refused":                   "is about files",
	"what_was_changed_in_a_log_is_found":            "changes the file with SQL",
	"what_watches_the_log_is_watched":               "changes the file with SQL",
}

func TestScript_OnPostgreSQL(t *testing.T) {
	all, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	left := maps.Clone(ofFiles)
	files := slices.DeleteFunc(all, func(file string) bool {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		_, of := left[name]
		delete(left, name)
		return of
	})
	for name := range left {
		t.Errorf("there is no story %s any more", name)
	}
	stories(t, testscript.Params{Files: files}, func(env *testscript.Env) error {
		env.Setenv("AGENTBRIDGE_STORE", freshSchema(t))
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
