package agent

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// HubClient speaks to one hub: with its fingerprint to the one whose certificate has that key, whoever signed it; without, to one whose
// certificate the system trusts. It follows no redirects, because the token is for that hub alone. It has no time-out of its own.
//
// An address where tokens would cross the network in clear is [bridge.Invalid], and so is what is no address.
func HubClient(at bridge.HubAddress) (*http.Client, error) {
	u, err := hubURL(at.URL)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSHandshakeTimeout = 10 * time.Second
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case at.Fingerprint == "":
	case u.Scheme != "https":
		return nil, bridge.Errorf(bridge.Invalid, "there is a fingerprint for a hub without TLS").WithHint("use https, or leave the fingerprint out")
	default:
		transport.TLSClientConfig.InsecureSkipVerify = true // and look ourselves: it must be exactly this key
		transport.TLSClientConfig.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || Fingerprint(state.PeerCertificates[0].RawSubjectPublicKeyInfo) != at.Fingerprint {
				return bridge.Errorf(bridge.Denied, "the hub at %s has another certificate than the invite said", u.Host).
					WithHint("somebody may be in between. If the hub's certificate was replaced on purpose, join again with a new invite")
			}
			return nil
		}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Fingerprint is how the public key of a certificate (SPKI, DER) is written down: "sha256:" and hex.
func Fingerprint(spki []byte) string {
	sum := sha256.Sum256(spki)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// hubURL reads the address of a hub such as https://hub.example or http://127.0.0.1:7483, also with /mcp behind it.
func hubURL(server string) (*url.URL, error) {
	u, err := url.Parse(server)
	hint := "write it like http://127.0.0.1:7483 or https://hub.example"
	switch {
	case err != nil: // whose text holds the address, and that may hold a password
		return nil, bridge.Errorf(bridge.Invalid, "the hub's address is no URL").WithHint("%s", hint)
	case u.User != nil:
		return nil, bridge.Errorf(bridge.Invalid, "the hub's address holds a user name or a password").WithHint("leave them out: the agent's token says who it is")
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "":
		return nil, bridge.Errorf(bridge.Invalid, "the hub's address is not that of a hub").WithHint("%s", hint)
	case u.Scheme == "http" && !onLoopback(u.Hostname()):
		return nil, bridge.Errorf(bridge.Invalid, "connect without TLS: the token would cross the network in clear").
			WithHint("use https, or ssh -L 7483:127.0.0.1:7483 HOST and then http://127.0.0.1:7483")
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/mcp")
	u.RawPath = ""
	return u, nil
}

// onLoopback reports whether a host is this machine for certain.
func onLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
