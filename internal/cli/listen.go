package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/daemon"
)

// hubSettings are what a hub is told of its network.
type hubSettings struct {
	Listen          string
	URL             string // where others reach the hub; empty: what can be told
	TLSCert, TLSKey string // files; empty: its own, where it needs one
	BehindProxy     bool   // speaks in clear to a proxy that ends TLS
}

// checkHub looks at what must fit together of them. Values are not shown, as everywhere.
func (c *config) checkHub() error {
	u, err := url.Parse(c.URL)
	host := ""
	if err == nil {
		host = u.Hostname()
	}
	ip := net.ParseIP(host)
	switch {
	case c.URL == "":
	case err != nil || host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(c.URL) > maxURL:
		return c.refuse("url", c.from["url"], "must be the hub's address as others reach it, like https://hub.example:7483")
	case u.Scheme == "http" && host != "localhost" && (ip == nil || !ip.IsLoopback()):
		return c.refuse("url", c.from["url"], "must begin with https: agents send no token in clear to another machine")
	}
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return bridge.Errorf(bridge.Invalid, "tls_cert and tls_key go together").WithHint("give both, --tls-cert and --tls-key, or none for a certificate of the hub's own")
	case c.BehindProxy && c.TLSCert != "":
		return bridge.Errorf(bridge.Invalid, "behind_proxy and tls_cert exclude each other").WithHint("the proxy has the certificate, or the hub has it")
	}
	return nil
}

// maxURL is what a code has room for.
const maxURL = 300

func onIf(is bool) string {
	if is {
		return "on"
	}
	return ""
}

// bodyWithin is how long a client may take to send a request. Answers take as long as they take.
const bodyWithin = 30 * time.Second

// hubFile tells the other processes of the data directory where the hub is, so that the invites that they make say it.
const hubFile = "hub.json"

// listen opens the hub's address: in clear on a loopback address or behind a proxy alone, and with TLS everywhere.
func (p *program) hubListener(conf *config) (l net.Listener, cert *certificate, err error) {
	resolved, err := net.ResolveTCPAddr("tcp", conf.Listen)
	if err != nil {
		// Not shown, nor what is said of it: the words of a secret in the wrong place are torn apart there.
		return nil, nil, bridge.Errorf(bridge.Invalid, "listen: there is no such address").WithHint("write it like 127.0.0.1:7483, or 0.0.0.0:7483 for all of this machine's")
	}
	switch {
	case conf.TLSCert != "":
		cert, err = loadCertificate(conf.TLSCert, conf.TLSKey, p.log)
	case !conf.BehindProxy && !resolved.IP.IsLoopback():
		if err = dataDir(conf.Data, p.log); err == nil {
			cert, err = ownCertificate(conf.Data, p.log)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	network := "tcp"
	if resolved.IP.To4() != nil {
		network = "tcp4" // 0.0.0.0 says nothing of IPv6, for which :: is there
	}
	tcp, err := net.ListenTCP(network, resolved)
	if err != nil {
		return nil, nil, bridge.Errorf(bridge.Unavailable, "listen on %s: %w", conf.Listen, err).WithHint("is another hub running there? choose another address with --listen")
	}
	if cert == nil {
		return tcp, nil, nil
	}
	// HTTP/2 is left out: what it is to have read an answer is settled for connections that carry one at a time.
	return tls.NewListener(tcp, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get, NextProtos: []string{"http/1.1"}}), cert, nil
}

// publicURL is where others reach the hub: what the configuration says, or what can be told from where it listens. nil: nothing can, because
// in clear it is not for them.
func (c *config) publicURL(at net.Addr, cert *certificate) *url.URL {
	if c.URL != "" {
		u, _ := url.Parse(strings.TrimSuffix(strings.TrimSuffix(c.URL, "/"), "/mcp")) // checkHub did
		return u
	}
	tcp := at.(*net.TCPAddr)
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = cmp.Or(ownAddress(), "localhost")
	}
	u := &url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(tcp.Port))}
	switch {
	case cert != nil:
		u.Scheme = "https"
		if now, _ := cert.get(nil); c.TLSCert != "" && len(now.Leaf.DNSNames) > 0 && !strings.HasPrefix(now.Leaf.DNSNames[0], "*") {
			u.Host = net.JoinHostPort(now.Leaf.DNSNames[0], strconv.Itoa(tcp.Port))
		}
	case c.BehindProxy || !tcp.IP.IsLoopback():
		return nil
	}
	return u
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

// timedBody takes the deadline back once all of it is read, and not before: the server reads what a handler left, before it answers and
// after, and would wait for the rest without end.
type timedBody struct {
	body io.Reader
	over func()
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err == io.EOF {
		b.over()
	}
	return n, err
}

// Close leaves it to the server, which closes every body, and knows what to do about half of one.
func (b *timedBody) Close() error { return nil }

// announcing keeps true what the other processes of the data directory are told of where the hub is, until ctx ends; then they are told
// nothing. It begins with the first word.
func (p *program) announcing(ctx context.Context, dir string, address func() bridge.HubAddress) (loop func(), err error) {
	at := address()
	gone, err := announce(dir, at)
	if err != nil {
		return nil, err
	}
	return func() {
		_ = daemon.Every(ctx, 2*certificateEvery, 0, func(context.Context) error {
			now := address()
			if now == at && fileIsThere(filepath.Join(dir, hubFile)) { // another hub of this directory takes its own word away when it ends
				return nil
			}
			next, err := announce(dir, now)
			if err != nil {
				p.log.Warn("where the hub is cannot be written down", "error", err)
				return nil
			}
			at, gone = now, next
			return nil
		})
		gone()
	}, nil
}

// fromProxy takes the client's address from the proxy: the last of X-Forwarded-For, which it added itself. What a client wrote there stands
// before it.
func fromProxy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if said := r.Header.Values("X-Forwarded-For"); len(said) > 0 {
			last := said[len(said)-1]
			last = strings.TrimSpace(last[strings.LastIndex(last, ",")+1:])
			if addr, err := netip.ParseAddr(strings.Trim(last, "[]")); err == nil {
				r = r.WithContext(r.Context())
				r.RemoteAddr = netip.AddrPortFrom(addr.Unmap(), 0).String()
			}
		}
		next.ServeHTTP(w, r)
	})
}
