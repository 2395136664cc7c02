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

// joinHub takes the seat that a code is for at a hub: as the agent of this machine that has the name and is at that hub, otherwise as a new
// one. Its token is kept here and never shown.
func (p *program) joinHub(ctx context.Context, conf *config, code string, at bridge.HubAddress, name string) error {
	if p.as != "" {
		name = p.as
	} else if checkFileName(name) != nil {
		name = agentName(name)
	}
	if err := checkFileName(name); err != nil {
		return err
	}
	if err := dataDir(conf.Data, p.log); err != nil {
		return err
	}
	if err := privateDir(filepath.Join(conf.Data, agentsDir), true, p.log); err != nil {
		return err
	}
	name, there, err := p.seatFor(conf, name, at)
	if err != nil {
		return err
	}
	if known, _, err := p.hubOf(conf, name); isNowhere(err) {
		p.tell("note: nothing says at which hub %s was; it becomes a new agent", name)
	} else if err != nil {
		return err
	} else if there && known.Fingerprint != at.Fingerprint {
		// Its token is for whoever has the key that it knows, and for nobody that a code vouches for.
		p.tell("note: the hub has another certificate than %s knew; it becomes a new agent there", name)
	} else if there {
		switch done, err := p.joinAgain(ctx, conf, code, at, name); {
		case done, err != nil && !errors.Is(err, bridge.Denied) && !errors.Is(err, bridge.Expired):
			return err
		}
	}
	return p.redeem(ctx, conf, code, name, there)
}

// seatFor gives the name under which an agent at a hub is kept on this machine: the one that is wanted, or where that is another agent's and
// nobody insists, the first of NAME-2, NAME-3, … that is not. there: it is at that hub already, or nothing says at which.
func (p *program) seatFor(conf *config, base string, at bridge.HubAddress) (name string, there bool, err error) {
	for n := 1; ; n++ {
		name = numbered(base, n)
		if !fileIsThere(filepath.Join(conf.Data, agentsDir, name+tokenSuffix)) {
			return name, false, nil
		}
		known, atHub, err := p.hubOf(conf, name)
		switch {
		case isNowhere(err): // so its token is good for nothing
			return name, true, nil
		case err != nil:
			return "", false, err
		case atHub && sameHub(known.URL, at.URL):
			return name, true, nil
		case p.as != "":
			return "", false, bridge.Errorf(bridge.Conflict, "there is an agent %s on this machine already, elsewhere", name).WithHint("choose another name with --as; the code is not used up")
		}
	}
}

// joinAgain takes a further seat for an agent that is at the hub. Where the hub does not take its token any more, it does nothing, and the
// error says so.
func (p *program) joinAgain(ctx context.Context, conf *config, code string, at bridge.HubAddress, name string) (done bool, err error) {
	p.as = name
	token, err := p.bearerOf(conf)
	if err != nil {
		return false, err
	}
	hub, err := agent.NewHub(at, token, conf.Bridge.Heartbeat)
	if err != nil {
		return false, err
	}
	asking, cancel := context.WithTimeout(ctx, hubTime)
	defer cancel()
	if _, err := agent.Waiting(asking, hub); err != nil {
		if _, ours := errors.AsType[*bridge.Error](err); !ours {
			err = unreachable(asking, at.URL, err)
		}
		return false, err
	}
	return true, p.atHub(ctx, hub, func(b agentBridge, c bridge.Caller) error {
		res, err := b.Join(ctx, c, bridge.JoinRequest{Code: code})
		if err != nil {
			return err
		}
		return p.joined(conf, name, at, res)
	})
}

// redeem becomes a new agent at the hub, in place of one whose token is no good any more.
func (p *program) redeem(ctx context.Context, conf *config, code, name string, replace bool) error {
	sum := sha256.Sum256([]byte(strings.Join(strings.Fields(code), "")))
	kept := filepath.Join(conf.Data, agentsDir, hex.EncodeToString(sum[:8])+joiningSuffix)
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
	if name, err = p.keep(conf, res, at, name, replace); err != nil {
		return err
	}
	_ = os.Remove(kept)
	return p.joined(conf, name, at, res.Join)
}

// joined shows the seat, and what to do with it.
func (p *program) joined(conf *config, name string, at bridge.HubAddress, seat bridge.JoinResult) error {
	err := p.answer(map[string]any{"agent": name, "hub": at.URL, "join": seat}, func() {
		p.showSeat(seat)
		p.tell("the token of %s is in %s; in the agent's client, for example:", name, filepath.Join(conf.Data, agentsDir, name+tokenSuffix))
		p.tell("  %s", addLine(conf, name))
	})
	if n := seat.Unread; n > 0 && !p.json {
		p.tell("%s for you: agentbridge check --as %s", some(n, "message waits", "messages wait"), name)
	}
	return err
}

// addLine is what makes a client start an agent of a hub, once it joined. conf is nil on another machine.
func addLine(conf *config, name string) string {
	line := "claude mcp add bridge -- agentbridge mcp --as " + quoted(name)
	if conf != nil && conf.from["data"] == "--data" {
		line += " --data " + quoted(conf.Data)
	}
	return line
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

// keep writes down the agent's hub, and then its token: once there is a token, all is there. Where another process took the name meanwhile,
// it is NAME-2 and so on.
func (p *program) keep(conf *config, res bridge.RedeemResult, at bridge.HubAddress, base string, replace bool) (name string, err error) {
	release, err := lockFile(context.Background(), filepath.Join(conf.Data, agentsDir, making))
	if err != nil {
		return "", err
	}
	defer release()
	name = base
	for n := 2; !replace && fileIsThere(filepath.Join(conf.Data, agentsDir, name+tokenSuffix)); n++ {
		if p.has(conf, name, res.Token) {
			return name, nil // an earlier try kept it
		}
		name = numbered(base, n)
	}
	if err := p.writeHub(conf, name, at); err != nil {
		return "", err
	}
	return name, writePrivate(filepath.Join(conf.Data, agentsDir, name+tokenSuffix), []byte(res.Token+"\n"), replace)
}

// has reports whether an agent of this machine has that token.
func (p *program) has(conf *config, name, token string) bool {
	text, err := readPrivate(filepath.Join(conf.Data, agentsDir, name+tokenSuffix), p.log)
	return err == nil && strings.TrimSpace(string(text)) == token
}
