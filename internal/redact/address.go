package redact

import (
	"regexp"
	"strings"
)

// urlRules find credentials in the addresses of services.
func urlRules() []rule {
	return []rule{
		{kind: "url-password", keywords: []string{"://"}, find: userinfo},
		{kind: "url-password", keywords: []string{"jdbc:oracle:"}, expr: `(?i)jdbc:oracle:\w+:[^\s/@:"'<>]+/([^\s@"'<>]{1,128})@`, judge: isCredential},
	}
}

// maxUserinfo bounds how far a password in an address is looked for.
const maxUserinfo = 1024

// hostPort is how an address goes on where a colon announced a port and not a password.
var hostPort = regexp.MustCompile(`\A\d{1,5}(?:[/?#,;)\]]|$)`)

// userinfo finds the password of scheme://user:password@host (RFC 3986, section 3.2.1), or a token in place of the user.
// It takes characters into the password that should have been percent-encoded: "@" anywhere, and "/", "?" and "#" where the
// scheme is not one of the web.
func userinfo(text string, at, end int) (int, int, bool) {
	const outside = " \t\n\"'`<>\\"
	rest := text[end:]
	user := strings.IndexAny(rest, ":@/?#"+outside)
	if user < 0 {
		return 0, 0, false
	}
	if rest[user] == '@' {
		if token := rest[:user]; len(token) >= 16 && isRandom(token) && isCredential(token) {
			return end, end + user, true
		}
		return 0, 0, false
	}
	if rest[user] != ':' || strings.HasPrefix(rest[user+1:], "/") {
		return 0, 0, false
	}

	password := rest[user+1 : min(len(rest), user+1+maxUserinfo)]
	password = password[:indexAny(password, outside)]
	if user > 0 && hostPort.MatchString(password) {
		return 0, 0, false
	}
	n := strings.LastIndexByte(password[:indexAny(password, "/?#")], '@')
	if n < 0 && !isWebScheme(text[:at]) {
		n = strings.IndexByte(password, '@')
	}
	if n <= 0 || n+1 == len(password) || !isCredential(password[:n]) {
		return 0, 0, false
	}
	return end + user + 1, end + user + 1 + n, true
}

func isWebScheme(before string) bool {
	before = asciiLower(before[max(0, len(before)-len("https")):])
	return strings.HasSuffix(before, "http") || strings.HasSuffix(before, "https") ||
		strings.HasSuffix(before, "ws") || strings.HasSuffix(before, "wss")
}

// indexAny is strings.IndexAny, but gives len(s) if none of chars is in s.
func indexAny(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}
