package redact

import (
	"regexp"
	"strings"
)

// nearRules find a word that looks like a token or a password a little behind a word that announces one, whatever stands
// between. They are weak: a rule that knows what it sees goes first.
func nearRules() []rule {
	return []rule{
		{kind: "password", weak: true, keywords: append([]string{
			"password", "passwd", "passphrase", "passcode", "pwd", "pw", "pass", "credential", "creds", "login", "auth", "logged in", "sign in", "unlock", "mysqli_connect", "users values", "u/p",
		}, foreignPasswords...), find: nearPassword},
		{kind: "secret", weak: true, keywords: []string{"_"}, find: prefixed},
		nearToken(),
	}
}

func nearToken() rule {
	return rule{kind: "secret", weak: true, keywords: []string{
		"token", "secret", "password", "passwd", "passphrase", "passcode", "pwd", "key", "credential", "creds", "auth", "bearer", "cookie", "session", "login", "pass",
		"seed", "webhook", "jwt", "license", "licence", "pat", "otp",
	}, find: near}
}

// announces reports whether a short keyword is a word or a part of a name, and not of a word: pass, dbPass, KEYS; not compass.
func announces(text string, at, end int) bool {
	if end-at > len("creds") {
		return true
	}
	if at > 0 && isAlnum(text[at-1]) && !(isLower(text[at-1]) && isUpper(text[at]) && isLower(text[at+1])) {
		return false
	}
	if end < len(text) && (text[end] == 's' || text[end] == 'S') {
		end++
	}
	return end == len(text) || !isAlnum(text[end])
}

const (
	// nearBy is how far behind the word a token may begin.
	nearBy = 40
	// nearLeast is the length of the shortest token that is found by what is near: a shorter one could be a name.
	nearLeast = 16
)

func near(text string, at, end int) (int, int, bool) {
	if !announces(text, at, end) {
		return 0, 0, false // monkey, bypass, compat
	}
	if at > 0 && strings.IndexByte("+/=", text[at-1]) >= 0 && runLen(text[end:min(len(text), end+nearLeast)], true) == nearLeast {
		return 0, 0, false // within base64
	}
	for end < len(text) && isAlnum(text[end]) {
		end++
	}
	last := min(len(text), end+nearBy)
	for i := end; i < last; {
		c := text[i]
		if c == '\n' && strings.HasPrefix(text[i+1:], "\n") {
			break // another paragraph
		}
		if !isAlnum(c) && c != '_' {
			i++
			continue
		}
		stop := i
		for stop < len(text) && stop-i < maxValue && (isAlnum(text[stop]) || strings.IndexByte("_-+/.~%!@#$^&*", text[stop]) >= 0) {
			stop++
		}
		for stop < len(text) && text[stop] == '=' && (stop+1 == len(text) || !isAlnum(text[stop+1])) {
			stop++
		}
		word := strings.TrimRight(text[i:stop], ".!*&-/")
		if len(word) >= nearLeast && looksLikeToken(word) && !tellsOtherwise(text[runeAt(text, max(0, at-24)):i]) && !inAddress(text, i) {
			return i, i + len(word) + runLen(text[i+len(word):], stop-i == maxValue), true
		}
		i = max(stop, i+1)
	}
	return 0, 0, false
}

// otherwise are words that say that what follows looks random, but is no secret; they are folded.
var otherwise = regexp.MustCompile(`(?:\b|_)(?:pub|publishable|cert(?:ificate)?|csr|crl|sig(?:nature)?|page|paging|pagination|continuation|cursor|sync|pk|sha\d*|h1|hash(?:es)?|digest|checksum|md5|commit|rev(?:ision)?|fingerprint|integrity|etag|uuid|ids?|trace|span|request|kid|thumbprint|ssh-\w+|ecdsa-\w+|nonce|version|branch|tag|image|file|path|build|data:\w+)(?:\b|_)|sha\d`)

// tellsOtherwise reports whether the words before a candidate say what it is. before begins with the word that announced it.
func tellsOtherwise(before string) bool {
	folded := asciiLower(before)
	return strings.Contains(folded, "public") || strings.Contains(folded, `"kty"`) || strings.Contains(folded, "authorized_keys") || otherwise.MatchString(folded)
}

// inAddress reports whether text[i] is within a URL's path or a file's, in which much looks random.
func inAddress(text string, i int) bool {
	return i > 0 && strings.IndexByte("/.@#-", text[i-1]) >= 0
}

var (
	hexDigest = regexp.MustCompile(`\A(?:0x)?(?:[0-9a-f]+|[0-9A-F]+)\z`)
	extension = regexp.MustCompile(`\.[a-z]{1,5}\d?(?::\d+)*\z`)
	publicKey = regexp.MustCompile(`\AAAAA[A-Z]|\A(?:ssh|ecdsa|sk-ssh)-|\Asha\d|\AiVBOR|\AMII|\ALS0tLS1CRUdJTiBDRVJU`)
)

// looksLikeToken reports whether a word is so mixed that it can hardly be anything else. It is stricter than isRandom: nothing
// says that there is a secret, only that it could be near.
func looksLikeToken(s string) bool {
	if !hasDigit(s) || !hasLetter(s) || breaks(s)*4 < len(s) || bits(s) < 3.2 {
		return false
	}
	// An identifier in lower case and digits is often no secret, least of all with hyphens: so are pods and branches named.
	if !strings.ContainsAny(s, letters[26:]) && (len(s) < 20 || strings.ContainsAny(s, "-_.")) || strings.ContainsAny(s, "@&") && len(s) < 20 || !isRandom(s) {
		return false
	}
	if hexDigest.MatchString(s) || uuid.MatchString(s) || extension.MatchString(s) || publicKey.MatchString(s) || strings.Contains(s, "://") || versionNumber.MatchString(s) || strings.Contains(s, "@v") {
		return false
	}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '/' || r == '.' }) {
		if len(part) >= 4 && strings.Trim(part, letters[:26]) == "" && len(part) < len(s) {
			return false // a path or a name with dots
		}
	}
	return isCredential(s) && !isOrdinary(s) && !isPath(s) && !isCode(s) && !isCamel(s)
}

// nearPassword finds a word that could hardly be anything but a password, behind a word that announces one or just before it.
func nearPassword(text string, at, end int) (int, int, bool) {
	if !announces(text, at, end) {
		return 0, 0, false
	}
	if end < len(text) && text[end] == '%' || at > 0 && runLen(text[end:min(len(text), end+nearBy)], true) >= 12 && runLen(text[max(0, at-12):at], true) == 12 {
		return 0, 0, false // within a URL or base64
	}
	last := min(len(text), end+nearBy)
	for i := end; i < last; {
		if text[i] <= ' ' || strings.IndexByte("\"'`()[]{}<>,:;=|/*", text[i]) >= 0 {
			if strings.HasPrefix(text[i:], "\n\n") || strings.HasPrefix(text[i:], "//") {
				break
			}
			i++
			continue
		}
		n := passwordLen(text[i:])
		if isPasswordLike(text[i : i+n]) {
			return i, i + n, true
		}
		i += max(n, 1)
	}
	first := runeAt(text, max(0, at-nearBy))
	line := text[first:at]
	if i := strings.LastIndexByte(line, '\n'); i >= 0 {
		first += i + 1
	} else if i := strings.IndexByte(line, ' '); i >= 0 && first > 0 {
		first += i
	}
	for i := first; i < at; {
		if text[i] <= ' ' || strings.IndexByte("\"'`()[]{}<>,:;=|/*", text[i]) >= 0 {
			i++
			continue
		}
		n := passwordLen(text[i:])
		if i+n <= at && strings.ContainsAny(text[i:i+n], "!#$%^*?~") && isPasswordLike(text[i:i+n]) {
			return i, i + n, true
		}
		i += max(n, 1)
	}
	return 0, 0, false
}

// passwordLen gives the length of the word at the start of s, without the punctuation behind it.
func passwordLen(s string) int {
	n := 0
	for n < len(s) && n < maxValue && s[n] > ' ' && strings.IndexByte("\"'`()[]{}<>|", s[n]) < 0 {
		n++
	}
	return len(strings.TrimRight(s[:n], ".,;:?"))
}

// located matches what has an "@" for another reason: user@host, and a package, action or image pinned to a version or a hash.
var located = regexp.MustCompile(`\A(?:[a-z_][a-z0-9_.-]*@(?:[a-z][a-z-]*\d{0,2}|\d{1,3}(?:\.\d{1,3}){3})(?::.*)?|[\w.-]*@(?:v?\d+(?:\.[\w.-]+)*|[0-9a-f]{7,64}|sha\d+:.*))\z`)

// isPasswordLike is stricter than isStrongPassword, as looksLikeToken is than isRandom.
func isPasswordLike(s string) bool {
	if len(s) < 8 || len(s) > 64 || !hasDigit(s) || strings.Contains(s, "%20") || !isStrongPassword(s) || item.MatchString(s) || located.MatchString(s) || strings.ContainsAny(s, "\\/,") {
		return false
	}
	if strings.Trim(s, letters+digits) == "" {
		// Without a sign it must be as mixed as only a generator makes it.
		return breaks(s)*3 >= len(s) && !hexDigest.MatchString(s) && strings.ContainsAny(s, letters[:26])
	}
	return strings.ContainsAny(s, "!#$%^&*?~@+") && !strings.ContainsAny(s, ".") && bits(s) >= 2.5
}

// plainPrefixes are those of identifiers and of keys that are made to be published.
var plainPrefixes = wordSet(`pk pk_live pk_test phc sb_publishable req msg evt resp run cus pi seti price prod sub in ch cs acct toolu call asst thread file batch conv task img asset user usr org proj
	item job trace span node block chunk doc commit cursor page snap vol rev build deploy`)

// prefixed finds what many vendors' tokens look like: a short word, an underscore, and a long scramble.
func prefixed(text string, at, end int) (int, int, bool) {
	start := at
	for start > 0 && at-start <= 12 && (isLower(text[start-1]) || isDigit(text[start-1]) || text[start-1] == '_') {
		start--
	}
	if plainPrefixes[text[start:at]] || at-start < 2 || at-start > 12 || !isLower(text[start]) || !startsWord(text, start) || start > 0 && strings.IndexByte("_-+/", text[start-1]) >= 0 {
		return 0, 0, false
	}
	n := end
	for n < len(text) && isAlnum(text[n]) {
		n++
	}
	secret := text[end:n]
	if len(secret) < 28 || len(secret) > 128 || continues(text, n) || breaks(secret)*3 < len(secret) || !hasDigit(secret) ||
		!strings.ContainsAny(secret, letters[:26]) || !strings.ContainsAny(secret, letters[26:]) {
		return 0, 0, false
	}
	return start, n, true
}
