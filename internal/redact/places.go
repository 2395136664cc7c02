package redact

import (
	"regexp"
	"strings"
)

// placeRules find secrets by the place they have in a file, an address or a sentence.
func placeRules() []rule {
	return []rule{
		{kind: "private-key", keywords: []string{"private-lines:"}, find: putty},
		{kind: "jwk", keywords: []string{`"d"`, `"k"`, `"p"`, `"q"`, `"dp"`, `"dq"`, `"qi"`}, find: jwk},
		{kind: "kubernetes-secret", keywords: []string{"\ndata:"}, find: kubernetes},
		{kind: "url-password", keywords: []string{"@tcp(", "@unix("}, find: dsn},
		{kind: "password", keywords: []string{":5432:", ":5433:", ":6432:", ":5439:", ":26257:", ":*:*:"}, expr: `:(?:\d+|\*):[^\s:]{1,64}:[^\s:]{1,64}:([^\s'"<>]{4,128})`, judge: isCredential},
		{kind: "password", keywords: []string{"login "}, expr: `login\s+\S{1,128}\s+(?:account\s+\S{1,64}\s+)?password\s+(\S{4,128})`, judge: isCredential},
		{kind: "password", keywords: []string{"password|", "pass|"}, expr: `pass(?:word)?\|([^\s|]{6,64})`, judge: isStrongPassword},
		{kind: "password", keywords: []string{"credential", "creds", "log in", "login", "logged in", "sign in", "signed in", "account"}, expr: `(?i:credentials?|creds|log(?:ged)? ?in|sign(?:ed)? in|account)\b[^\w\n]{1,4}(?:[a-z]+ ){0,4}?\x60?[\w.@+-]{2,64}\x60?(?: ?[/:|] ?|, | with | and )\x60?([^\s\x60"'<>]{6,64})`, judge: isMixed},
		{kind: "secret", keywords: []string{"-k "}, expr: `-K ([0-9a-fA-F]{32,})`},
		{kind: "secret", keywords: []string{"fromhex(", "unhexlify(", "hex.decodestring(", "b64decode(", "decodestring(", "buffer.from(", "hextobytes(", "frombase64string("}, find: decoded},
		{kind: "recovery-code", keywords: []string{"recovery code", "backup code", "scratch code", "recovery_code", "backup_code", "one-time code", "2fa code", "mfa code", "emergency code", "recovery key"}, find: codes},
		{kind: "seed-phrase", keywords: []string{"phrase", "mnemonic", "seed words"}, expr: `(?i:phrase|mnemonic|seed words)["'\x60*]*\s*(?i:is|was|are)?\s*[:=]?\s*["'\x60]?((?:[a-z]{3,8}[ \t]+){11,23}[a-z]{3,8})`, judge: isMnemonic},
		{kind: "private-key", keywords: []string{"private key", "privatekey", "private_key", "privkey", "private-key"}, expr: `(?i:priv(?:ate)?[ _-]?key)["'\x60]?\s*(?:[:=(]|is)?\s*["'\x60]?((?:0x)?[0-9a-fA-F]{64})\b`},
		{kind: "secret", keywords: []string{"cookie:"}, find: cookies},
		{kind: "one-time-code", keywords: []string{"otp", "code", "one-time password"}, find: oneTime},
		{kind: "pin", keywords: []string{"pin", "cvv", "cvc"}, expr: `(?:pin|PIN|Pin|CVV|CVC|cvv|cvc)(?: code)?(?:\s*[:=]\s*|\s+is\s+)["'\x60]?(\d{4,8})\b`, edge: true, exactly: true},
	}
}

var (
	email         = regexp.MustCompile(`\A[\w.+-]+@[\w-]+(?:\.[\w-]+)+\z`)
	versionNumber = regexp.MustCompile(`\Av?\d+(?:\.\d+)+(?:\W|\z)`)
)

// isStrongPassword reports whether a word that only stands where a password could is one.
func isStrongPassword(s string) bool {
	s = strings.TrimRight(s, ".,;:!?)*")
	return s != "" && s[0] != '/' && hasDigit(s) && hasLetter(s) && (strings.ContainsAny(s, letters[26:]) || strings.Trim(s, letters+digits) != "") &&
		!isSlug(s) && !isOrdinary(s) && isCredential(s) && !isCode(s) && !isPath(s) && !tame.MatchString(s) && !uuid.MatchString(s) && !strings.Contains(s, "://") && !email.MatchString(s) && !versionNumber.MatchString(s) && !extension.MatchString(s)
}

// isMixed is stricter than isStrongPassword: nor may it be a name with a number, such as OAuth2.
func isMixed(s string) bool {
	return isStrongPassword(s) && (strings.ContainsAny(s, "!#$%^&*?~@+") || breaks(s)*3 >= len(s)) && !isCamel(s)
}

// lines of a key's body in base64, joined by newlines or by what stands for them in a string.
var base64Lines = regexp.MustCompile(`\A(?:(?:\s|\\+[nrt]|[>#|*+"'])*[A-Za-z0-9+/=]{24,})+`)

// putty finds the body of a private key in PuTTY's format.
func putty(text string, at, end int) (int, int, bool) {
	rest := text[end:]
	n := strings.IndexAny(rest[:min(len(rest), 24)], "\n\\")
	if n < 0 {
		return 0, 0, false
	}
	body := base64Lines.FindString(rest[n:])
	if body == "" {
		return 0, 0, false
	}
	return end + n + 1, end + n + len(body), true
}

var jwkValue = regexp.MustCompile(`\A\\*\s*:\s*\\*"([\w-]{20,})`)

// jwk finds a private member of a JSON Web Key (RFC 7517).
func jwk(text string, at, end int) (int, int, bool) {
	loc := jwkValue.FindStringSubmatchIndex(text[end:runeAt(text, end+maxMatch)])
	if loc == nil || !strings.Contains(text[max(0, at-2048):min(len(text), end+2048)], `"kty"`) {
		return 0, 0, false
	}
	return end + loc[2], end + loc[3], true
}

var kubernetesData = regexp.MustCompile(`\A(?:[ \t]*#[^\n]*)?\n[ \t]+[\w.-]+:[ \t]*["']?([A-Za-z0-9+/]{8,}={0,2})["']?[ \t]*(?:\n|\z)`)

// kubernetes finds the first value of a Secret's data, which is base64.
func kubernetes(text string, at, end int) (int, int, bool) {
	around := asciiLower(text[max(0, at-400):min(len(text), end+800)])
	if !strings.Contains(around, "kind: secret") && !strings.Contains(around, "kind: \"secret") {
		return 0, 0, false
	}
	loc := kubernetesData.FindStringSubmatchIndex(text[end:runeAt(text, end+maxMatch)])
	if loc == nil {
		return 0, 0, false
	}
	return end + loc[2], end + loc[3], true
}

// dsn finds the password in user:password@tcp(host)/name, as MySQL drivers write it.
func dsn(text string, at, _ int) (int, int, bool) {
	line := text[max(0, at-maxValue):at]
	line = line[strings.LastIndexAny(line, " \t\n\"'`=")+1:]
	user, password, ok := strings.Cut(line, ":")
	if !ok || user == "" || password == "" || !isCredential(password) {
		return 0, 0, false
	}
	return at - len(password), at, true
}

var decodedValue = regexp.MustCompile(`\A\s*["'\x60]([A-Za-z0-9+/=_-]{24,})["'\x60]`)

// decoded finds a key that a program decodes into a variable of that name.
func decoded(text string, at, end int) (int, int, bool) {
	before := text[max(0, at-60):at]
	before = asciiLower(before[strings.LastIndexByte(before, '\n')+1:])
	loc := decodedValue.FindStringSubmatchIndex(text[end:runeAt(text, end+maxMatch)])
	if loc == nil || !namesakes.MatchString(before) && !strings.Contains(before, "seed") || strings.Contains(before, "pub") {
		return 0, 0, false
	}
	return end + loc[2], end + loc[3], true
}

var codeList = regexp.MustCompile(`\A[sS]?["'\x60]?(?: (?:for|of|to) [\w.@ -]{1,40})?(?:\s*[:=(-]\s*|\s+(?:is|are|was|were)\s*:?\s+|\s+)((?:(?:[-*]|\d\d?[.)])?\s*["'\x60]?[A-Za-z0-9]{4,8}(?:[- ]?[A-Za-z0-9]{4,8}){1,7}\b["'\x60]?[,;]?\s*)+)`)

// codes finds recovery codes, one or a list.
func codes(text string, _, end int) (int, int, bool) {
	loc := codeList.FindStringSubmatchIndex(text[end:runeAt(text, end+512)])
	if loc == nil {
		return 0, 0, false
	}
	start, stop := end+loc[2], end+loc[3]
	list := strings.TrimRight(text[start:stop], " \t\n,;\"'`")
	// A list of codes has digits in every line or word, and a sentence has not.
	for i, code := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune("\n,;", r) }) {
		if !hasDigit(code) || strings.Count(strings.TrimSpace(code), " ") > 3 {
			if i == 0 {
				return 0, 0, false
			}
			list = list[:strings.Index(list, code)]
			break
		}
	}
	list = strings.TrimRight(list, " \t\n,;\"'`")
	if first := strings.FieldsFunc(list, func(r rune) bool { return r <= ' ' }); len(list) < 6 || len(first) == 0 || !hasDigit(first[0]) {
		return 0, 0, false
	}
	return start, start + len(list), true
}

// isMnemonic reports whether words are those of a seed phrase and not of a sentence.
func isMnemonic(s string) bool {
	n := 0
	for w := range strings.FieldsSeq(s) {
		if sentence[w] || len(w) < 3 {
			n++
		}
	}
	return n <= 1
}

var cookieValue = regexp.MustCompile(`(?:\A|;)\s*[\w.-]+=(?:s%3A|s:)?([^\s;"'<>,]{16,})`)

// cookies finds the first random value of a Cookie header. Names that tell of a session have a rule of their own.
func cookies(text string, _, end int) (int, int, bool) {
	line := text[end:runeAt(text, end+2048)]
	line = line[:indexAny(line, "\n")]
	for _, loc := range cookieValue.FindAllStringSubmatchIndex(line, 8) {
		if v := line[loc[2]:loc[3]]; isRandom(v) && isCredential(v) && !isNumber(strings.Trim(v, "GA.")) {
			return end + loc[2], end + loc[3], true
		}
	}
	return 0, end + len(line), false
}

var (
	oneTimeName  = regexp.MustCompile(`(?i)(?:otp|(?:verification|2fa|mfa|totp|security|login|confirmation|one-time|auth|authentication|sms)[ _-](?:pass)?code|one-time password)\z`)
	oneTimeValue = regexp.MustCompile(`\A["'\x60]?(?:\s*[:=]\s*|\s+is:?\s+|\s+)["'\x60]?(\d{3}[ -]?\d{3,5})\b`)
)

// oneTime finds a code that was sent to somebody.
func oneTime(text string, at, end int) (int, int, bool) {
	if !oneTimeName.MatchString(text[runeAt(text, max(0, at-20)):end]) {
		return 0, 0, false
	}
	loc := oneTimeValue.FindStringSubmatchIndex(text[end:runeAt(text, end+32)])
	if loc == nil || continues(text, end+loc[3]) {
		return 0, 0, false
	}
	return end + loc[2], end + loc[3], true
}
