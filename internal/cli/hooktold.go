package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"agentbridge/internal/clients"
)

// hooksDir holds what the hooks of sessions remember, in the data directory. Nothing in it is secret, and all of it may be deleted.
const hooksDir = "hooks"

// forgetAfter is how long a session is remembered that no hook spoke to.
const forgetAfter = 7 * 24 * time.Hour

// toldFile is the memory of one session's hooks.
type toldFile struct{ path string }

// toldOf names the memory of a session. What identifies the session comes from the client, so only a hash of it becomes a path.
func toldOf(data, client, session, name, server string) toldFile {
	sum := sha256.Sum256([]byte(strings.Join([]string{client, session, name, server}, "\x00")))
	return toldFile{filepath.Join(data, hooksDir, hex.EncodeToString(sum[:8]))}
}

// decide lets fn decide by what the session was told of, and remembers what it was told of after that, before anybody is told: of two
// hooks that run at once, one tells. Where nothing can be remembered, it decides as for a new session, and says so in the error.
func (f toldFile) decide(ctx context.Context, fn func(clients.Told) (bool, clients.Told)) (tell bool, err error) {
	var t clients.Told
	dir := filepath.Dir(f.path)
	if err = os.MkdirAll(dir, 0o700); err == nil {
		var release func() error
		if release, err = lockFile(ctx, filepath.Join(dir, "lock")); err == nil {
			defer release()
		}
	}
	if text, err := os.ReadFile(f.path); err == nil && json.Unmarshal(text, &t) != nil {
		t = clients.Told{} // cut off by a full disk, perhaps
	}
	tell, next := fn(t)
	if err != nil || next == t {
		return tell, err
	}
	text, err := json.Marshal(next)
	if err == nil {
		err = f.write(text)
	}
	return tell, err
}

// write replaces the file whole. It does not wait for the disk: a memory that a power failure undoes costs a word told twice.
func (f toldFile) write(text []byte) error {
	_, err := os.Stat(f.path)
	if err != nil {
		f.forget()
	}
	if err := os.WriteFile(f.path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(f.path+".new", f.path)
}

// forget deletes what sessions of long ago left. It is done when one begins.
func (f toldFile) forget() {
	dir := filepath.Dir(f.path)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Name() != "lock" && time.Since(info.ModTime()) > forgetAfter {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
