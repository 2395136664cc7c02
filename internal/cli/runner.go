package cli

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

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
		Sandbox:   sandbox.Options{Hidden: []string{o.conf.Data}},
		Snapshots: func(workspace string) string { return snapshotStore(o.conf.Data, workspace) },
	}
	return r.Run
}

// snapshotStore is where the snapshots of a workspace lie: where its commands cannot reach them.
func snapshotStore(data, workspace string) string {
	sum := sha256.Sum256([]byte(workspace))
	return filepath.Join(data, "snapshots", hex.EncodeToString(sum[:8])+".git")
}
