package daemon

import (
	"strings"
	"testing"
)

// FuzzParseWebhook reads anything as an alert's address: in clear to loopback only, and what is refused is not shown.
func FuzzParseWebhook(f *testing.F) {
	for _, seed := range []string{"https://example.com/h", "http://127.0.0.1:1/x", "http://localhost/x", "http://example.com", "http://127.0.0.1.example.com", "http://[::1]:80/", "http://127.0.0.1@example.com/", "https://", "ftp://x", "http://0x7f.1/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		u, err := ParseWebhook(address)
		if err != nil {
			if len(address) > 12 && strings.Contains(err.Error(), address) {
				t.Errorf("%q is refused with %q", address, err)
			}
			return
		}
		if u.Hostname() == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopbackName(u.Host)) {
			t.Errorf("%q is taken as %s", address, u)
		}
	})
}

// FuzzParseSecret reads anything as the secret that signs alerts: it has sixteen bytes, and what is refused is not shown.
func FuzzParseSecret(f *testing.F) {
	for _, seed := range []string{"", "whsec_", "whsec_AAAAAAAAAAAAAAAAAAAAAA==", "whsec_x", "sixteen letters!", "fifteen letters"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseSecret(text)
		switch {
		case err == nil && len(key) < minSecret:
			t.Errorf("%q is taken with %d bytes", text, len(key))
		case err != nil && len(text) > 12 && strings.Contains(err.Error(), text):
			t.Errorf("%q is refused with %q", text, err)
		}
	})
}
