package redact

import (
	"strings"
	"testing"
)

// hidden checks that Redact masks secret wherever it stands in text, whatever the kind it is taken for.
func hidden(t *testing.T, s *Scanner, text, secret string) {
	t.Helper()
	masked, _, err := s.Redact(key, text)
	if err != nil || strings.Contains(masked, secret) {
		t.Errorf("Redact(%q) = %q, %v; want %q masked", text, masked, err, secret)
		return
	}
	if again, _, err := s.Redact(key, masked); again != masked || err != nil {
		t.Errorf("Redact(%q) = %q, %v; want it unchanged", masked, again, err)
	}
}

func TestRedact_FindsSecretsByWhatIsNear(t *testing.T) {
	tests := []struct {
		secret   func(source) string
		contexts []string
	}{
		{func(r source) string { return r.of(letters[26:], 1) + r.of(letters[:26], 5) + r.of(digits, 4) + "!" }, []string{
			"btw the login for grafana is admin/§", "user admin pw §", "Creds for staging: deploy / §", "I set the root pw to § temporarily", "use §  as the password",
			"§ is the password", "password for jenkins → §", "Password - §", "password\n§", "Password:\n    §", "unlock with §, that is the password", "try password § or ask bob",
			"auth: [\"admin\", \"§\"]", "requests.get(u, auth=('bob', '§'))", "HTTPBasicAuth('u', '§')", "smtp.login(\"me@x.test\", \"§\")", "INSERT INTO users VALUES ('bob', '§')",
			"Contraseña: §", "mot de passe : §", "Passwort ist §", "пароль: §", "密码：§", "requirepass §", "net user bob § /add", "ssh-keygen -N '§' -f key", "openssl enc -k § -in a",
			"echo '§' | sudo -S true", "twine upload -u ci -p '§' dist/*", "log in as admin:§ on staging", "root:§@tcp(db:3306)/x", "db:5432:app:bob:§", "machine x\n  login y\n  password §\n",
			"gh secret set DB_PASSWORD --body \"§\"", "- name: DB_PASSWORD\n  value: §", "variable \"db_password\" {\n  default = \"§\"\n}",
		}},
		{func(r source) string {
			return r.of(base62, 12) + r.of(digits, 1) + r.of(letters[26:], 1) + r.of(letters[:26], 1) + r.of(base62, 20)
		}, []string{
			"here is the key you asked for:\n§", "the token we use for CI, the new one, is §", "webhook secret (prod) §", "wg set wg0 private-key <(echo §)", "npm config set _auth §",
			"Cookie: theme=dark; connect.sid=s%3A§", "new key for the API: §", "ENC_KEY=§", "my PAT is §", "{\"kty\":\"EC\",\"d\":\"§§\"}",
		}},
		{func(r source) string { return r.of(hexes, 64) }, []string{
			"AES key: §", "openssl enc -aes-256-cbc -K § -iv 0", "key = bytes.fromhex(\"§\")", "private key 0x§", "-hmac-key §", "MASTER_KEY: §",
		}},
		{func(r source) string { return r.of(hexes, 4) + r.of(digits, 1) + "-" + r.of(hexes, 5) }, []string{"recovery code: §", "my 2FA recovery code is §", "backup codes:\n§"}},
		{func(r source) string { return r.of(digits, 6) }, []string{"your verification code is §", "OTP: §", "the PIN is §"}},
		{func(r source) string { return strings.TrimSpace(strings.Repeat("ember raven kelp ", 4)) }, []string{"seed phrase: §", "MNEMONIC=\"§\"", "the wallet's recovery phrase is: §"}},
	}
	s := newScanner(t)
	for i, tt := range tests {
		for n := range 20 {
			secret := tt.secret(seeded("near", 100*i+n))
			for _, c := range tt.contexts {
				hidden(t, s, strings.ReplaceAll(c, "§", secret), secret)
			}
		}
	}
}

func TestRedact_LeavesAloneWhatOnlyStandsNear(t *testing.T) {
	r := seeded("only near", 0)
	id := r.of(hexes, 8) + "-" + r.of(hexes, 4) + "-4" + r.of(hexes, 3) + "-a" + r.of(hexes, 3) + "-" + r.of(hexes, 12)
	s := newScanner(t)
	for _, text := range []string{
		"the token was added in commit " + r.of(hexes, 40), "key rotation, see request " + id, "the secret is in image app@sha256:" + r.of(hexes, 64),
		"PublicKey = " + r.of(base64s, 43) + "=", "-----BEGIN PUBLIC KEY-----\n" + r.of(base64s, 64) + "\n-----END PUBLIC KEY-----", "next_page_token: " + r.of(urls, 40),
		"the auth pods are api-7d9f8b6c5d-x2x4z and api-7d9f8b6c5d-k8z2q", "key fingerprint SHA256:" + r.of(base64s, 43), "log in with google or OAuth2", "mysql -u root -p shop < dump.sql",
		"TestPassword_ReadsWhatGitleaks2Describes", "passwords: see crypto/x509.ParsePKCS8PrivateKey", "token v1.9.10-pre2+metadata", "mailto:a@example.com?subject=password%20reset",
		"publishable key: pk_" + "live_" + r.of(base62, 40), "req_" + r.of(base62, 32) + " failed", "users may pass to 'go test' what they like", "reset the password to nothing",
	} {
		if masked, found, err := s.Redact(key, text); err != nil || masked != text {
			t.Errorf("Redact(%q) = %q, %v, %v; want it unchanged", text, masked, found, err)
		}
	}
}
