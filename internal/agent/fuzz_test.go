package agent

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// FuzzNewHub reads anything as a hub's address: the token goes nowhere in clear but to loopback, and what is refused is not shown.
func FuzzNewHub(f *testing.F) {
	for _, seed := range []string{"https://hub.example", "http://127.0.0.1:7483/mcp", "http://hub.example", "http://u:p@127.0.0.1", "http://localhost.example", "http://[::1]:1", "x", "http://127.0.0.1?x=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		h, err := NewHub(bridge.HubAddress{URL: address}, "token", time.Second)
		if err != nil {
			if len(address) > 12 && strings.Contains(err.Error(), address) {
				t.Errorf("%q is refused with %q", address, err)
			}
			return
		}
		u, err := url.Parse(h.where())
		if err != nil || u.User != nil || u.Host == "" || u.Scheme == "http" && !onLoopback(u.Hostname()) {
			t.Errorf("%q is taken as %q, %v", address, h.where(), err)
		}
	})
}
