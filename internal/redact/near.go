package redact

import (
	"regexp"
	"strings"
)

// nearRule finds a word that looks like a token a little behind a word that announces one, whatever stands between.
func nearRule() rule {
	return rule{kind: "secret", weak: true, keywords: []string{
		"token", "secret", "password", "passwd", "passphrase", "passcode", "pwd", "key", "credential", "creds", "auth", "bearer", "cookie", "session", "login", "pass",
		"seed", "webhook", "jwt", "license", "licence", "pat", "otp",
	}, find: near}
}

const (
	// nearBy is how far behind the word a token may begin.
	nearBy = 40
	// nearLeast is the length of the shortest token that is found by what is near: a shorter one could be a name.
	nearLeast = 16
)

func near(text string, at, end int) (int, int, bool) {
	if at > 0 && isLower(text[at-1]) && isLower(text[at]) && (text[at:end] == "key" || end-at < 5) {
		return 0, 0, false // monkey, bypass, compat
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
var otherwise = regexp.MustCompile(`(?:\b|_)(?:pub|sha\d*|h1|hash(?:es)?|digest|checksum|md5|commit|rev(?:ision)?|fingerprint|integrity|etag|uuid|ids?|trace|span|request|kid|thumbprint|ssh-\w+|ecdsa-\w+|nonce|version|branch|tag|image|file|path|build|data:\w+)(?:\b|_)|sha\d`)

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
	if hexDigest.MatchString(s) || uuid.MatchString(s) || extension.MatchString(s) || publicKey.MatchString(s) || strings.Contains(s, "://") {
		return false
	}
	// Base64 of text or of a picture has all kinds of letters; an identifier in lower case and digits is often no secret.
	if !strings.ContainsAny(s, letters[26:]) && len(s) < 20 || strings.ContainsAny(s, "@&") && len(s) < 20 {
		return false
	}
	return isRandom(s) && isCredential(s) && !isOrdinary(s) && !isPath(s) && !isCode(s) && !isCamel(s)
}
