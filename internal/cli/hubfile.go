package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"agentbridge/internal/bridge"
)

// hubSuffix marks a file beside an agent's token: DIR/agents/NAME.hub says at which hub the token is good, as JSON.
const hubSuffix = ".hub"

// hubOf reads at which hub an agent of this machine is. Ok is false for one that is in the store here.
func (p *program) hubOf(conf *config, name string) (at bridge.HubAddress, ok bool, err error) {
	path := filepath.Join(conf.Data, agentsDir, name+hubSuffix)
	text, err := readPrivate(path, p.log)
	if errors.Is(err, fs.ErrNotExist) {
		return at, false, nil
	}
	if err == nil && json.Unmarshal(text, &at) != nil || at.URL == "" && err == nil {
		err = nowhere{bridge.Errorf(bridge.Invalid, "%s does not say where a hub is", path).WithHint("join again with a new invite, which writes it anew")}
	}
	return at, err == nil, err
}

// nowhere is the failure of reading a file that says of no hub.
type nowhere struct{ err *bridge.Error }

func (n nowhere) Error() string { return n.err.Error() }
func (n nowhere) Unwrap() error { return n.err }

func isNowhere(err error) bool {
	_, is := errors.AsType[nowhere](err)
	return is
}

func (p *program) writeHub(conf *config, name string, at bridge.HubAddress) error {
	text, err := json.Marshal(at)
	if err != nil {
		return err
	}
	return writePrivate(filepath.Join(conf.Data, agentsDir, name+hubSuffix), append(text, '\n'), true)
}

// hubAt is the hub at an address that a command line names. It is known by the fingerprint that the agent's invite said, if that was
// for this hub.
func (p *program) hubAt(conf *config, server, name string) (bridge.HubAddress, error) {
	at := bridge.HubAddress{URL: server}
	if name == "" {
		return at, nil
	}
	known, ok, err := p.hubOf(conf, name)
	if ok && sameHub(known.URL, server) {
		at.Fingerprint = known.Fingerprint
	}
	return at, err
}

// sameHub reports whether two addresses are one hub's.
func sameHub(a, b string) bool {
	bare := func(s string) string { return strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(s), "/"), "/mcp") }
	return bare(a) == bare(b)
}
