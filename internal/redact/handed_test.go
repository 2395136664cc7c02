package redact

import (
	"crypto/sha256"
	"math/big"
	"strings"
	"testing"
)

func TestRedact_FindsWhatIsHandedOverWithoutAName(t *testing.T) {
	s := newScanner(t)
	for n := range 20 {
		r := seeded("handed", n)
		base32 := r.of(upper, 30) + "A7"
		id := r.of(hexes, 8) + "-" + r.of(hexes, 4) + "-4" + r.of(hexes, 3) + "-a" + r.of(hexes, 3) + "-" + r.of(hexes, 12)
		generated := "Xk7" + r.of(letters, 4) + "9Q!" + r.of(letters, 3) + "2bT"
		for text, secret := range map[string]string{
			"wandb login §":                                 r.of(hexes, 38) + "a1",
			"snyk auth §":                                   id,
			"vault operator unseal §":                       r.of(base64s, 41) + "7+=",
			"bash codecov.sh -t §":                          id,
			"oathtool --totp -b §":                          base32,
			"pyotp.TOTP('§').now()":                         base32,
			"redis-cli> AUTH §":                             generated,
			"sqlplus system/§@//db1:1521/X":                 r.of(base62, 14),
			"lftp -u upload,§ ftp.example.com":              r.of(base62, 14),
			"http -a bob:§ https://x.test/":                 r.of(base62, 14),
			"curl -k -uadmin:§ https://x.test/":             r.of(base62, 14),
			`ConvertTo-SecureString "§" -AsPlainText`:       generated,
			"WIFI:T:WPA;S:office;P:§;;":                     generated,
			"use bob / § to log in":                         generated,
			"echo § | wg pubkey":                            r.of(base64s, 42) + "8=",
			"echo § > config/master.key":                    r.of(hexes, 30) + "b2",
			"hmac.new(b'§', body, 'sha256')":                r.of(hexes, 38) + "c3",
			"SSHPASS='§' sshpass -e ssh x":                  generated,
			"usuario: admin, clave: §":                      generated,
			"Der API-Schlüssel lautet §":                    r.of(base62, 38) + "4x",
			"La clé API est §":                              r.of(base62, 38) + "4x",
			"new postmark.ServerClient(\"§\")":              id,
			"kubeadm token create §":                        r.of(base36, 6) + "." + r.of(base36, 15) + "5",
			"SecretID:         §\nDescription: x":           id,
			"paste token-abcde:§ there":                     r.of(base36, 54),
			"blocked: AAAA" + "xyzabcd:APA91b" + "§, sorry": r.of(urls, 134),
		} {
			masked, _, err := s.Redact(key, strings.ReplaceAll(text, "§", secret))
			if err != nil || strings.Contains(masked, secret) {
				t.Errorf("Redact(%q with %q) = %q, %v; want it masked", text, secret, masked, err)
			}
		}
	}
}

func TestRedact_FindsWalletKeysByTheirChecksum(t *testing.T) {
	s := newScanner(t)
	for n := range 20 {
		raw := append([]byte{0x80}, seeded("wallet", n).of(base62, 32)...)
		raw = append(raw, 1)
		sum := sha256.Sum256(raw)
		sum = sha256.Sum256(sum[:])
		v, digit, wallet := new(big.Int).SetBytes(append(raw, sum[:4]...)), new(big.Int), ""
		for v.Sign() > 0 {
			v.DivMod(v, big.NewInt(58), digit)
			wallet = string(base58[digit.Int64()]) + wallet
		}
		wantSecret(t, s, "the tool gave me "+wallet+", hm", "bitcoin-key", wallet)
		other := wallet[:20] + strings.Map(func(c rune) rune { return c ^ 3 }, "1") + wallet[21:]
		if masked, _, err := s.Redact(key, "commit "+other); err != nil || masked != "commit "+other {
			t.Errorf("Redact(%q) = %q, %v; want what has no checksum left alone", other, masked, err)
		}
	}
}
