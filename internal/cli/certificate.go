package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"agentbridge/internal/agent"
	"agentbridge/internal/bridge"
)

const (
	certificateEvery = time.Second // between two looks at the files
	// What a hub makes for itself is known by its key, and nobody asks when it ends.
	selfMadeFor = 10 * 365 * 24 * time.Hour
	selfMade    = "hub.crt" // in the data directory
	selfMadeKey = "hub.key"
)

// certificate is what a hub shows to its clients. It is read anew when its files change; what cannot be read is told, and the one before stays.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex // guards all below
	now     *tls.Certificate
	looked  time.Time
	changed string // of the files that now was read from
	refused string // what was told last of files that cannot be used
}

func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	c.changed = c.stamp()
	now, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "the certificate cannot be used: %w", err).
			WithHint("--tls-cert names a file with the certificate and those that signed it, --tls-key one with its key, both in PEM; leave both out for one of the hub's own")
	}
	c.now = &now
	return c, nil
}

// get gives the newest certificate that can be used.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < certificateEvery {
		return c.now, nil
	}
	c.looked = time.Now()
	stamp := c.stamp()
	if stamp == c.changed {
		return c.now, nil
	}
	next, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err == nil && outOfTime(&next) != nil && outOfTime(c.now) == nil {
		err = outOfTime(&next)
	}
	if err != nil {
		// And looked at again: it may begin later, or become readable, and the files stay as they are.
		if told := stamp + err.Error(); told != c.refused {
			c.refused = told
			c.log.Error("the new certificate cannot be used; the one before stays", "file", c.certFile, "error", err)
		}
		return c.now, nil
	}
	c.changed, c.refused = stamp, ""
	c.now = &next
	c.log.Info("the certificate was replaced", "fingerprint", c.fingerprintOf(next), "until", next.Leaf.NotAfter.UTC().Format(time.RFC3339))
	return c.now, nil
}

// outOfTime says whether a certificate is not good now by its own word. Who knows it by its key does not ask.
func outOfTime(c *tls.Certificate) error {
	switch now := time.Now(); {
	case now.After(c.Leaf.NotAfter):
		return fmt.Errorf("the certificate ended on %s", c.Leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.Leaf.NotBefore):
		return fmt.Errorf("the certificate begins on %s", c.Leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// health says what is wrong with the certificate that clients get. It is for who asks the hub, so files are looked at, too.
func (c *certificate) health() error {
	now, _ := c.get(nil)
	return outOfTime(now)
}

// stamp changes when one of the files does.
func (c *certificate) stamp() (s string) {
	for _, path := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(path); err == nil {
			s += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
		}
	}
	return s
}

func (c *certificate) fingerprintOf(made tls.Certificate) string {
	return agent.Fingerprint(made.Leaf.RawSubjectPublicKeyInfo)
}

// address is what invites say: the fingerprint goes with it unless everybody's system trusts the certificate for that host.
func (c *certificate) address(url, host string) bridge.HubAddress {
	now, _ := c.get(nil)
	rest := x509.NewCertPool()
	for _, der := range now.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			rest.AddCert(cert)
		}
	}
	if _, err := now.Leaf.Verify(x509.VerifyOptions{DNSName: host, Intermediates: rest}); err == nil {
		return bridge.HubAddress{URL: url}
	}
	return bridge.HubAddress{URL: url, Fingerprint: c.fingerprintOf(*now)}
}

// ownCertificate is the one that a hub made for itself, or makes now. Hubs that start together have the same.
func ownCertificate(dir string, log *slog.Logger) (*certificate, error) {
	certFile, keyFile := filepath.Join(dir, selfMade), filepath.Join(dir, selfMadeKey)
	key, err := readPrivate(keyFile, log)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = makeHubKey(keyFile, log); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) {
		if err := makeCertificate(certFile, key, time.Now()); err != nil {
			return nil, err
		}
	}
	c, err := loadCertificate(certFile, keyFile, log)
	if err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "the hub's own certificate %s cannot be used", certFile).
			WithHint("remove %s, and it is made anew with the same key. Whoever joined knows the hub by %s, so keep that", certFile, keyFile)
	}
	return c, nil
}

// makeHubKey makes the hub's key. Of several processes one does, and all use that.
func makeHubKey(path string, log *slog.Logger) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := writePrivate(path, text, false); errors.Is(err, fs.ErrExist) {
		return readPrivate(path, log)
	} else if err != nil {
		return nil, err
	}
	return text, nil
}

func makeCertificate(path string, keyText []byte, now time.Time) error {
	block, _ := pem.Decode(keyText)
	if block == nil {
		return bridge.Errorf(bridge.Invalid, "%s holds no key", selfMadeKey).WithHint("put it back from a backup; without it, whoever joined must join again")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return bridge.Errorf(bridge.Invalid, "%s holds no key of ours", selfMadeKey).WithHint("put it back from a backup; without it, whoever joined must join again")
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	made := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "agentbridge"}, DNSNames: []string{"agentbridge"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfMadeFor),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, signer.Public(), signer)
	if err != nil {
		return err
	}
	err = writePrivate(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), false)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return err
}
