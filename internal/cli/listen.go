package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// hubFlags are what a hub is told of its network.
type hubFlags struct {
	cert, key   string
	behindProxy bool
	url         string
}

// bodyWithin is how long a client may take to send a request. Answers take as long as they take.
const bodyWithin = 30 * time.Second

// hubFile tells the other processes of the data directory where the hub is, so that the invites that they make say it.
const hubFile = "hub.json"

// listen opens the hub's address: in clear on a loopback address or behind a proxy alone, and with TLS everywhere.
func (p *program) hubListener(conf *config, f hubFlags) (l net.Listener, cert *certificate, err error) {
	if (f.cert == "") != (f.key == "") {
		return nil, nil, bridge.Errorf(bridge.Invalid, "--tls-cert and --tls-key go together").WithHint("give both, or none for a certificate of the hub's own")
	}
	if f.behindProxy && f.cert != "" {
		return nil, nil, bridge.Errorf(bridge.Invalid, "--behind-proxy and --tls-cert exclude each other").WithHint("the proxy has the certificate, or the hub has it")
	}
	resolved, err := net.ResolveTCPAddr("tcp", conf.Listen)
	if err != nil {
		// Not shown, nor what is said of it: the words of a secret in the wrong place are torn apart there.
		return nil, nil, bridge.Errorf(bridge.Invalid, "listen: there is no such address").WithHint("write it like 127.0.0.1:7483, or 0.0.0.0:7483 for all of this machine's")
	}
	switch {
	case f.cert != "":
		cert, err = loadCertificate(f.cert, f.key, p.log)
	case !f.behindProxy && !resolved.IP.IsLoopback():
		if err = dataDir(conf.Data, p.log); err == nil {
			cert, err = ownCertificate(conf.Data, p.log)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	tcp, err := net.ListenTCP("tcp", resolved)
	if err != nil {
		return nil, nil, bridge.Errorf(bridge.Unavailable, "listen on %s: %w", conf.Listen, err).WithHint("is another hub running there? choose another address with --listen")
	}
	if cert == nil {
		return tcp, nil, nil
	}
	// HTTP/2 is left out: what it is to have read an answer is settled for connections that carry one at a time.
	return tls.NewListener(tcp, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get, NextProtos: []string{"http/1.1"}}), cert, nil
}

// publicURL is where others reach the hub: what --url says, or what can be told from where it listens.
func (f hubFlags) publicURL(at net.Addr, cert *certificate) (*url.URL, error) {
	if f.url != "" {
		u, err := url.Parse(strings.TrimSuffix(strings.TrimSuffix(f.url, "/"), "/mcp"))
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, bridge.Errorf(bridge.Invalid, "--url is not the address of a hub").WithHint("write it as others reach it, like https://hub.example:7483")
		}
		return u, nil
	}
	tcp := at.(*net.TCPAddr)
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = cmp.Or(ownAddress(), "localhost")
	}
	u := &url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(tcp.Port))}
	if cert != nil {
		u.Scheme = "https"
		if now, _ := cert.get(nil); f.cert != "" && len(now.Leaf.DNSNames) > 0 && !strings.HasPrefix(now.Leaf.DNSNames[0], "*") {
			u.Host = net.JoinHostPort(now.Leaf.DNSNames[0], strconv.Itoa(tcp.Port))
		}
	}
	return u, nil
}

// ownAddress is this machine's first address that others may know.
func ownAddress() string {
	all, _ := net.InterfaceAddrs()
	best := ""
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && (best == "" || n.IP.To4() != nil && net.ParseIP(best).To4() == nil) {
			best = n.IP.String()
		}
	}
	return best
}

// announce writes down where the hub is, until gone is called.
func announce(dir string, at bridge.HubAddress) (gone func(), err error) {
	text, err := json.Marshal(at)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, hubFile)
	if err := writePrivate(path, append(text, '\n'), true); err != nil {
		return nil, err
	}
	return func() {
		if now, err := os.ReadFile(path); err == nil && string(now) == string(text)+"\n" {
			_ = os.Remove(path)
		}
	}, nil
}

// announced is where the hub of a data directory is, or was when it was last heard of; empty: there is none.
func (p *program) announced(dir string) func() bridge.HubAddress {
	return func() (at bridge.HubAddress) {
		text, err := readPrivate(filepath.Join(dir, hubFile), p.log)
		if err == nil {
			err = json.Unmarshal(text, &at)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.log.Warn("where the hub is cannot be read; invites do not say it", "error", err)
			return bridge.HubAddress{}
		}
		return at
	}
}

// within makes a client that takes too long over its request lose the connection.
func within(most time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			conn := http.NewResponseController(w)
			if conn.SetReadDeadline(time.Now().Add(most)) == nil {
				r.Body = &timedBody{r.Body, func() { _ = conn.SetReadDeadline(time.Time{}) }}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody takes the deadline back once it is read.
type timedBody struct {
	body interface {
		Read([]byte) (int, error)
		Close() error
	}
	over func()
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil {
		b.over()
	}
	return n, err
}

func (b *timedBody) Close() error { b.over(); return b.body.Close() }

// follow keeps what is announced true while certificates are replaced, until ctx ends.
func (p *program) follow(ctx context.Context, dir string, address func() bridge.HubAddress) (gone func(), err error) {
	at := address()
	gone, err = announce(dir, at)
	if err != nil {
		return nil, err
	}
	go func() {
		for tick := time.NewTicker(10 * certificateEvery); ; {
			select {
			case <-tick.C:
				if now := address(); now != at {
					at = now
					if _, err := announce(dir, at); err != nil {
						p.log.Warn("where the hub is cannot be written down", "error", err)
					}
				}
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	}()
	return gone, nil
}
