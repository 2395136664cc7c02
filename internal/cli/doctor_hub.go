package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
)

const (
	hubTime = 10 * time.Second
	// mostSkew is how far a hub's clock may be off: its Date header has whole seconds, and leases are minutes.
	mostSkew = 5 * time.Second
	// expirySoon is when a certificate's end is worth a word.
	expirySoon = 7 * 24 * time.Hour
)

// hubAgent is an agent, and the hub where it is.
type hubAgent struct{ agent, url string }

// hubsToExamine are the hub that is named, or those where the agents of this machine are: of --as, or all.
func (p *program) hubsToExamine(conf *config, server string) (hubs []hubAgent) {
	if server != "" {
		return []hubAgent{{p.as, server}}
	}
	names, _ := localAgents(conf.Data) // where they cannot be read, that is told elsewhere
	for _, name := range names {
		if at, ok, err := p.hubOf(conf, name); ok && err == nil && (p.as == "" || p.as == name) {
			hubs = append(hubs, hubAgent{name, at.URL})
		}
	}
	return hubs
}

// examineHub looks at a hub from here: whether it answers, its certificate, its clock, and whether it takes this agent's token.
func (p *program) examineHub(ctx context.Context, conf *config, server string, d *diagnosis) {
	at, err := p.hubAt(conf, server, p.as)
	if err != nil {
		d.bad("hub", err)
		return
	}
	client, err := agent.HubClient(at)
	if err != nil {
		d.bad("hub", err)
		return
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, hubTime)
	defer cancel()
	base := strings.TrimSuffix(strings.TrimSuffix(server, "/"), "/mcp")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/readyz", nil)
	if err != nil {
		d.bad("hub", bridge.Errorf(bridge.Invalid, "the hub's address: %w", err).WithHint("write it like https://hub.example"))
		return
	}
	start := time.Now()
	res, err := client.Do(req)
	took := time.Since(start)
	if err != nil {
		d.bad("hub", unreachable(ctx, base, err))
		return
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		d.bad("hub", bridge.Errorf(bridge.Unavailable, "%s answers %s", base, res.Status).WithHint("look whether the address is that of `agentbridge serve`, and at its log"))
		return
	}
	d.Findings = append(d.Findings, finding{What: "hub", OK: true, Says: base + " answers after " + milliseconds(took), Took: float64(took.Microseconds()) / 1000})
	examineCertificate(res.TLS, d)
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		middle := start.Add(took / 2)
		switch off := middle.Sub(date); {
		case off > mostSkew+time.Second || off < -mostSkew:
			d.bad("hub's clock", bridge.Errorf(bridge.Invalid, "it says %s, and here it is %s", date.Format(time.RFC3339), middle.UTC().Format(time.RFC3339)).
				WithHint("set the clock of the machine that is wrong, with NTP"))
		default:
			d.good("hub's clock", "within %s of this one", mostSkew)
		}
	}
	if p.as == "" && os.Getenv(tokenVariable) == "" {
		d.good("hub's token", "not looked at; name an agent with --as, or set %s", tokenVariable)
		return
	}
	token, err := p.bearerOf(conf)
	if err != nil {
		d.bad("hub's token", err)
		return
	}
	hub, err := agent.NewHub(at, token, conf.Bridge.Heartbeat)
	if err != nil {
		d.bad("hub's token", err)
		return
	}
	start = time.Now()
	now, err := agent.Waiting(ctx, hub)
	if err != nil {
		if ctx.Err() != nil {
			err = unreachable(ctx, base, err)
		}
		d.bad("hub's token", err)
		return
	}
	d.good("hub's token", "it is %s's, until %s; %s; looked up in %s", now.Name, now.ExpiresAt.UTC().Format(time.RFC3339), some(now.Unread, "unread message", "unread messages"), milliseconds(time.Since(start)))
}

// unreachable says why a hub does not answer.
func unreachable(ctx context.Context, base string, err error) error {
	_, badName := errors.AsType[*tls.CertificateVerificationError](err)
	ours, pinned := errors.AsType[*bridge.Error](err)
	switch {
	case pinned:
		return ours
	case ctx.Err() != nil:
		return bridge.Errorf(bridge.Unavailable, "%s does not answer within %s", base, hubTime).WithHint("look whether the hub's machine is overloaded, or a firewall swallows the connection")
	case badName:
		return bridge.Errorf(bridge.Denied, "its certificate is not good: %w", err).WithHint("renew it, or have this machine trust who signed it: SSL_CERT_FILE=FILE")
	}
	return bridge.Errorf(bridge.Unavailable, "%s cannot be reached: %w", base, err).WithHint("start it with `agentbridge serve` on its machine, or correct the address")
}

func examineCertificate(state *tls.ConnectionState, d *diagnosis) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	ends := state.PeerCertificates[0].NotAfter
	if left := time.Until(ends); left < expirySoon {
		d.bad("hub's certificate", bridge.Errorf(bridge.Expired, "it ends in %s, on %s", showDuration(left.Round(time.Minute)), ends.UTC().Format(time.RFC3339)).
			WithHint("renew it, and start the hub again with the new one"))
		return
	}
	d.good("hub's certificate", "until %s", ends.UTC().Format(time.RFC3339))
}

// examineMachine looks at what of this machine others stand on.
func examineMachine(d *diagnosis) {
	self, err := os.Executable()
	if err != nil {
		return
	}
	if path, err := exec.LookPath("agentbridge"); err != nil {
		d.good("path", "this is %s, and no agentbridge is on PATH", self)
	} else if !sameFile(path, self) {
		d.good("path", "this is %s, and the one on PATH is another: %s", self, path)
	} else {
		d.good("path", "this is %s, and the one on PATH", self)
	}
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}
