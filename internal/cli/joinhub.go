package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
)

// joiningSuffix marks the nonce of a code that is being redeemed. It is kept until the token is, so that joining can be tried again
// with the same code, by another process too.
const joiningSuffix = ".joining"

// joinHub becomes a new agent at the hub that a code is for. Its token is kept here and never shown.
func (p *program) joinHub(ctx context.Context, conf *config, code string) error {
	if p.as != "" {
		if err := checkFileName(p.as); err != nil {
			return err
		}
		if fileIsThere(filepath.Join(conf.Data, agentsDir, p.as+tokenSuffix)) {
			return bridge.Errorf(bridge.Conflict, "there is an agent %s on this machine already", p.as).WithHint("choose another name with --as; the code is not used up")
		}
	}
	if err := dataDir(conf.Data, p.log); err != nil {
		return err
	}
	agents := filepath.Join(conf.Data, agentsDir)
	if err := privateDir(agents, true, p.log); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(strings.Join(strings.Fields(code), "")))
	kept := filepath.Join(agents, hex.EncodeToString(sum[:8])+joiningSuffix)
	nonce, err := p.nonce(kept)
	if err != nil {
		return err
	}
	res, at, err := agent.Redeem(ctx, code, nonce)
	if err != nil {
		if code := bridge.AsError(err).Code; code == bridge.Denied || code == bridge.Conflict || code == bridge.Expired {
			_ = os.Remove(kept) // nothing is to be had for it any more
		}
		return err
	}
	name, err := p.keep(conf, res, at)
	if err != nil {
		return err
	}
	_ = os.Remove(kept)
	err = p.answer(map[string]any{"agent": name, "hub": at.URL, "token_expires_at": res.TokenExpiresAt, "join": res.Join}, func() {
		p.showSeat(res.Join)
		p.tell("its token is in %s; in the agent's client, for example:", filepath.Join(agents, name+tokenSuffix))
		p.tell("  %s", addLine(name, at.URL))
	})
	if n := res.Join.Unread; n > 0 && !p.json {
		p.tell("%s for you", some(n, "message waits", "messages wait"))
	}
	return err
}

// addLine is what makes a client start an agent of a hub.
func addLine(name, url string) string {
	return "claude mcp add bridge -- agentbridge mcp --as " + name + " --server " + url
}

// nonce makes the nonce of a code, or finds the one that an earlier try made.
func (p *program) nonce(path string) (string, error) {
	text, err := readPrivate(path, p.log)
	if errors.Is(err, fs.ErrNotExist) {
		if err = writePrivate(path, []byte(rand.Text()+"\n"), false); err == nil || errors.Is(err, fs.ErrExist) {
			text, err = readPrivate(path, p.log)
		}
	}
	return strings.TrimSpace(string(text)), err
}

// keep writes down the agent's hub, and then its token: once there is a token, all is there. Where the name is taken on this machine,
// it is NAME-2 and so on.
func (p *program) keep(conf *config, res bridge.RedeemResult, at bridge.HubAddress) (name string, err error) {
	base := p.as
	if base == "" {
		if base = res.Agent; checkFileName(base) != nil {
			base = agentName(base)
		}
	}
	release, err := lockFile(context.Background(), filepath.Join(conf.Data, agentsDir, making))
	if err != nil {
		return "", err
	}
	defer release()
	name = base
	for n := 2; fileIsThere(filepath.Join(conf.Data, agentsDir, name+tokenSuffix)); n++ {
		if p.has(conf, name, res.Token) {
			return name, nil // an earlier try kept it
		}
		name = numbered(base, n)
	}
	if err := p.writeHub(conf, name, at); err != nil {
		return "", err
	}
	return name, writePrivate(filepath.Join(conf.Data, agentsDir, name+tokenSuffix), []byte(res.Token+"\n"), false)
}

// has reports whether an agent of this machine has that token.
func (p *program) has(conf *config, name, token string) bool {
	text, err := readPrivate(filepath.Join(conf.Data, agentsDir, name+tokenSuffix), p.log)
	return err == nil && strings.TrimSpace(string(text)) == token
}
