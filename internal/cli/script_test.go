package cli

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"
)

// The test binary is agentbridge, too, when it is called so.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"agentbridge": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"redeem": func() {
			if err := redeem(os.Args[1:], os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
		"begin": func() {
			if err := begin(os.Args[1:], os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
		"call": func() {
			if err := call(os.Args[1:], os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
		"keen": func() { os.Exit(keen(os.Args[1:])) },
	})
}

// TestScript runs the stories in testdata/script: each is named for the promise that it keeps.
func TestScript(t *testing.T) {
	stories(t, testscript.Params{Dir: filepath.Join("testdata", "script")}, nil)
}

// stories runs scripts. Setup, if any, gives each a store of another kind.
func stories(t *testing.T, params testscript.Params, setup func(env *testscript.Env) error) {
	testscript.Run(t, testscript.Params{
		Dir: params.Dir, Files: params.Files,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "xdg"))
			env.Setenv("DATA", filepath.Join(env.WorkDir, "xdg", "agentbridge"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("NO_COLOR", "1")
			env.Setenv("OURS", filepath.SplitList(env.Getenv("PATH"))[0]) // a PATH with our programs alone, whatever this machine has
			if setup != nil {
				if err := setup(env); err != nil {
					return err
				}
			}
			return freePort(env)
		},
		Condition: func(cond string) (bool, error) {
			if cond == "tmpfs" { // whether this user may mount one
				return exec.Command("unshare", "--mount", "true").Run() == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":       exits,
			"get":         get,
			"eventually":  eventually,
			"repeat":      repeat,
			"schema":      schema,
			"forge":       forge,
			"tamper":      tamper,
			"query":       query,
			"deaf":        deaf,
			"detached":    detached,
			"typed":       typed,
			"pasted":      pasted,
			"answered":    answered,
			"tamper-file": tamperFile,
		},
		RequireUniqueNames: true,
	})
}

// freePort sets PORT to a port where nobody listens.
func freePort(env *testscript.Env) error {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	env.Setenv("PORT", port)
	return errors.Join(err, l.Close())
}

// exits CODE COMMAND… runs a command and wants that exit status. A refusal must also have a hint.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	wantStatus(ts, want, err, ts.ReadFile("stderr"))
}

func wantStatus(ts *testscript.TestScript, want int, err error, stderr string) {
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d\n%s", got, want, stderr)
	}
	if want != 0 && (!strings.Contains(stderr, "error: ") || !strings.Contains(stderr, "hint: ")) {
		ts.Fatalf("no error: and hint: on stderr:\n%s", stderr)
	}
}

// get VARIABLE PATH puts a value of the JSON on stdout into a variable; a path is like invites.0.code.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get VARIABLE PATH")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for step := range strings.SplitSeq(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			ts.Check(err)
			if i >= len(at) {
				ts.Fatalf("%s: there are only %d", args[1], len(at))
			}
			v = at[i]
		}
	}
	if v == nil {
		ts.Fatalf("no %s in %s", args[1], ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// eventually TEXT COMMAND… runs a command until it succeeds and its stdout or stderr holds the text.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually TEXT COMMAND…")
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		// A command that fails says what it lacks, and that may be the very word.
		if err == nil && strings.Contains(ts.ReadFile("stdout")+ts.ReadFile("stderr"), args[0]) {
			return
		}
	}
	ts.Fatalf("no %q in\n%s%s", args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}

// repeat FILE COUNT TEXT writes a file of that many texts; TEXT may have Go's escapes.
func repeat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: repeat FILE COUNT TEXT")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(text, n)), 0o600))
}

// schema FILE VERSION marks a database as written by another agentbridge.
func schema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: schema FILE VERSION")
	}
	version, err := strconv.Atoi(args[1])
	ts.Check(err)
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
	ts.Check(errors.Join(err, db.Close()))
}

// command prepares a command as the script's own are, so that it can be given other ends.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path, err := exec.LookPath(args[0])
	if bin := ts.Getenv("PATH"); err != nil || bin != "" {
		for _, dir := range filepath.SplitList(bin) {
			if _, err := os.Stat(filepath.Join(dir, args[0])); err == nil {
				path = filepath.Join(dir, args[0])
				break
			}
		}
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Args[0], cmd.Dir = args[0], ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "XDG_DATA_HOME", "NO_COLOR", "AGENTBRIDGE_TOKEN", "AGENTBRIDGE_STORE", "GORACE"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

// deaf CODE COMMAND… runs a command whose stdout nobody reads any more.
func deaf(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	r, w, err := os.Pipe()
	ts.Check(err)
	ts.Check(r.Close())
	var stderr bytes.Buffer
	cmd := command(ts, args[1:])
	cmd.Stdout, cmd.Stderr = w, &stderr
	err = cmd.Run()
	ts.Check(w.Close())
	ts.Logf("%s", stderr.String())
	wantStatus(ts, want, err, stderr.String())
}

// forge FILE rewrites an entry of a conversation's log in the database.
func forge(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	res, err := db.Exec("UPDATE entries SET record = zeroblob(length(record)) WHERE log LIKE 'conv_%' AND n = 2")
	ts.Check(err)
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		ts.Fatalf("%d entries rewritten: %v", n, err)
	}
	ts.Check(db.Close())
}
