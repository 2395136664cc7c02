package corpus

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
)

const reviewerBase58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// structured makes the values that an alphabet and a length do not describe: those with a checksum, and those encoded.
func (g reviewer) structured(name, arg string) string {
	switch name {
	case "sum62": // GitHub's and npm's: the checksum of the random part, in base 62
		random := g.signs(30, reviewerAlnum)
		return arg + random + reviewerBase62(crc32.ChecksumIEEE([]byte(random)), 6)
	case "grafana":
		t := arg + g.signs(32, reviewerAlnum)
		sum := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(t)))
		return t + "_" + hex.EncodeToString(sum)
	case "atlassian":
		t := arg + g.signs(180, reviewerAlnum+"-_")
		return fmt.Sprintf("%s=%08X", t, crc32.ChecksumIEEE([]byte(t)))
	case "gitlab": // routable: payload, version, length and checksum in base 36
		t := arg + g.signs(36, reviewerAlnum+"-_") + ".01.10"
		return t + fmt.Sprintf("%07s", big.NewInt(int64(crc32.ChecksumIEEE([]byte(t)))).Text(36))
	case "bytes":
		return base64.StdEncoding.EncodeToString(g.bytes(reviewerLen(arg)))
	case "basic":
		return base64.StdEncoding.EncodeToString([]byte(g.fill("«user»:«pw»")))
	case "enc": // the argument's own pattern would end the hole, so it is named
		return base64.StdEncoding.EncodeToString([]byte(g.invent(arg, "")))
	case "jwt":
		header := fmt.Sprintf(`{"alg":"%s","typ":"JWT"}`, g.one("HS256", "RS256", "ES256"))
		claims := g.fill(`{"sub":"«hex:12»","name":"«name»","iat":17«dig:8»,"exp":17«dig:8»,"scope":"read write"}`)
		return reviewerB64([]byte(header)) + "." + reviewerB64([]byte(claims)) + "." + reviewerB64(g.bytes(32))
	case "b64json":
		return reviewerB64([]byte(g.fill(`{"iat":17«dig:8».«dig:6»,"url":"https://«host»","region_url":"https://«host»","org":"«word»"}`)))
	case "wif":
		return reviewerCheck58(append(append([]byte{0x80}, g.bytes(32)...), 1))
	case "xprv":
		b := append([]byte{0x04, 0x88, 0xad, 0xe4, 3}, g.bytes(40)...)
		return reviewerCheck58(append(append(b, 0), g.bytes(32)...))
	case "age":
		return strings.ToUpper(reviewerBech32("age-secret"+"-key-", g.bytes(32)))
	case "pem":
		return "-----BEGIN " + arg + "-----\n" + g.lines(64, 6) + "\n-----END " + arg + "-----"
	case "pgp":
		return "-----BEGIN PGP PRIVATE " + "KEY BLOCK-----\n\n" + g.lines(64, 7) + "\n-----END PGP PRIVATE " + "KEY BLOCK-----"
	case "sri":
		return base64.StdEncoding.EncodeToString(g.bytes(64))
	case "h1":
		return base64.StdEncoding.EncodeToString(g.bytes(32))
	}
	if arg == "" {
		return "«" + name + "»"
	}
	return "«" + name + ":" + arg + "»"
}

func (g reviewer) lines(width, n int) string {
	s := base64.StdEncoding.EncodeToString(g.bytes((width*n - 20) / 4 * 3))
	var b strings.Builder
	for i := 0; i < len(s); i += width {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s[i:min(i+width, len(s))])
	}
	return b.String()
}

func reviewerLen(arg string) int {
	n := 0
	for _, d := range arg {
		n = n*10 + int(d-'0')
	}
	return n
}

func reviewerB64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func reviewerBase62(v uint32, width int) string {
	b := make([]byte, width)
	for i := range b {
		b[width-1-i] = reviewerAlnum[v%62]
		v /= 62
	}
	return string(b)
}

// reviewerCheck58 is Base58Check, as in Bitcoin's wallet import format.
func reviewerCheck58(b []byte) string {
	first := sha256.Sum256(b)
	second := sha256.Sum256(first[:])
	v := new(big.Int).SetBytes(append(b, second[:4]...))
	var out []byte
	for mod := new(big.Int); v.Sign() > 0; {
		v.DivMod(v, big.NewInt(58), mod)
		out = append([]byte{reviewerBase58[mod.Int64()]}, out...)
	}
	return string(out)
}

// reviewerBech32 is BIP 173's, which age writes its keys in.
func reviewerBech32(hrp string, data []byte) string {
	const signs = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	var five []byte
	acc, bits := 0, 0
	for _, b := range data {
		acc, bits = acc<<8|int(b), bits+8
		for ; bits >= 5; bits -= 5 {
			five = append(five, byte(acc>>(bits-5)&31))
		}
	}
	if bits > 0 {
		five = append(five, byte(acc<<(5-bits)&31))
	}
	var all []byte
	for _, c := range []byte(hrp) {
		all = append(all, c>>5)
	}
	all = append(all, 0)
	for _, c := range []byte(hrp) {
		all = append(all, c&31)
	}
	all = append(append(all, five...), 0, 0, 0, 0, 0, 0)
	sum := uint32(1)
	for _, v := range all {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ uint32(v)
		for i, m := range []uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= m
			}
		}
	}
	sum ^= 1
	for i := range 6 {
		five = append(five, byte(sum>>(5*(5-i))&31))
	}
	var b strings.Builder
	b.WriteString(hrp + "1")
	for _, v := range five {
		b.WriteByte(signs[v])
	}
	return b.String()
}
