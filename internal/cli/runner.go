package cli

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"

	"agentbridge/internal/daemon"
	"agentbridge/internal/sandbox"
)

// runner gives what runs commands in this process. Where nobody let it, that does nothing.
func (o *opened) runner() func(context.Context) {
	if os.Getenv(runVariable) != "1" {
		return func(context.Context) {}
	}
	r := &daemon.Runner{
		Service: o.svc, Instance: o.store.Instance(), Policy: o.conf.Policy.options(""), Log: o.log,
		Key:       func() (ed25519.PublicKey, error) { return approvalKey(o.conf.Data) },
		Sandbox:   o.conf.sandbox(""),
		Caches:    func(workspace string) (string, error) { return cacheDir(o.conf.Data, workspace) },
		Turn:      func(workspace string) (func(), bool) { return turn(o.conf.Data, workspace) },
		Snapshots: func(workspace string) string { return snapshotStore(o.conf.Data, workspace) },
	}
	return r.Run
}

// maxCommandTimeout is the longest a command may run: one of which nothing was heard for longer than that is taken to be lost.
const maxCommandTimeout = 20 * time.Minute

// sandbox is where commands of a workspace run.
func (c *config) sandbox(workspace string) sandbox.Options {
	return sandbox.Options{Workspace: workspace, Hidden: []string{c.Data}, Image: c.SandboxImage, Limits: sandbox.Limits{Time: c.CommandTimeout}}
}

// cacheDir makes the directory where the tools of a workspace's commands keep what they can make again.
func cacheDir(data, workspace string) (string, error) {
	dir := filepath.Join(data, "caches", workspaceName(workspace))
	return dir, os.MkdirAll(dir, 0o700)
}

// turn takes the turn to run a command in a workspace, among all processes with this data directory. It ends with the process, too.
func turn(data, workspace string) (release func(), ok bool) {
	dir := filepath.Join(data, "turns")
	if os.MkdirAll(dir, 0o700) != nil {
		return nil, false
	}
	f, err := os.OpenFile(filepath.Join(dir, workspaceName(workspace)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false
	}
	if !tryLock(f, true) {
		f.Close()
		return nil, false
	}
	return func() { f.Close() }, true
}

// workspaceName names a workspace in the data directory.
func workspaceName(workspace string) string {
	sum := sha256.Sum256([]byte(workspace))
	return hex.EncodeToString(sum[:8])
}

// snapshotStore is where the snapshots of a workspace lie: where its commands cannot reach them.
func snapshotStore(data, workspace string) string {
	return filepath.Join(data, "snapshots", workspaceName(workspace)+".git")
}
