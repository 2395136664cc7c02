package redact

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// likelyPassword says of a value that a password's name announced whether it is one. People choose passwords, so anything
// passes that is neither a placeholder nor code nor a word that says something about passwords. A plain word passes only
// where nothing but a value can stand.
func likelyPassword(text string, v value) bool {
	s := v.head(text)
	if len(s) < 4 {
		return false
	}
	if strings.IndexFunc(s, func(r rune) bool { return r < utf8.RuneSelf && isAlnum(byte(r)) }) < 0 {
		return false // signs, or words in another script
	}
	if isNumber(s) || tame.MatchString(s) {
		return isNumber(s) && v.form == assigned && !strings.HasSuffix(asciiLower(v.name), "s")
	}
	if !v.quote && !v.bare && isCode(s) || !isCredential(s) || isOrdinary(s) || isPath(s) || !v.quote && v.form != assigned && email.MatchString(s) {
		return false
	}
	if strings.IndexByte(s, ' ') >= 0 {
		return v.quote && v.form != beside && !isSentence(s)
	}
	plain := strings.Trim(s, letters+"_-.:") == ""
	if plain && v.form != stated && namesakes.MatchString(s) {
		return false // a name, not a value
	}
	if !v.quote && (v.form == stated || v.form == beside) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && r != '-' }) < 0 {
		return false // a word, umlauts and accents included
	}
	switch v.form {
	case literal:
		return v.quote && (!plain || isShouted(v.name) && len(s) >= 6 && !isTitle(s))
	case beside:
		return !item.MatchString(s) && !plain && (v.quote || len(s) >= 6 && hasDigit(s) && hasLetter(s))
	case stated:
		return v.quote && !isTitle(s) || !plain
	}
	switch {
	case !plain:
		return true
	case v.quote:
		return !isTitle(s)
	case v.bare:
		return len(s) >= 6 && !isShouted(s)
	default:
		// A line of YAML or of a note: a single word and nothing behind it.
		end := v.stop == len(text) || text[v.stop] == '\n'
		return end && len(s) >= 6 && (strings.Trim(s, letters[:26]) == "" || isShouted(v.name) && len(s) >= 12 && strings.Trim(s, letters[:26]+"-_.") == "")
	}
}

// likelyForeign is stricter than likelyPassword: in the languages of these words a field of a table has the same name.
func likelyForeign(text string, v value) bool {
	return isStrongPassword(v.head(text)) && likelyPassword(text, v)
}

// item is how another name and its value begin.
var item = regexp.MustCompile(`\A[\w.-]+[=:]`)

// likelyToken says of a value that the name of a token, key or secret announced whether it is one. Machines make those, so
// it must look random; only where nothing but a value can stand is anything else enough.
func likelyToken(text string, v value) bool {
	s := v.head(text)
	if len(s) < 8 || strings.ContainsAny(s, ` \`) || !v.quote && !v.bare && breaks(s)*2 < len(s) && (isCode(s) || isCamel(s)) {
		return false
	}
	if !isCredential(s) || isOrdinary(s) || isPath(s) || email.MatchString(s) || versionNumber.MatchString(s) {
		return false
	}
	switch v.form {
	case assigned:
		return isRandom(s) || v.bare && (hasDigit(s) && hasLetter(s) || len(s) >= 12) && !isNumber(s)
	case stated:
		return len(s) >= 10 && isRandom(s)
	case literal:
		return v.quote && len(s) >= 10 && isRandom(s)
	case beside:
		return len(s) >= 16 && isRandom(s) && isStrong(s)
	default:
		return false
	}
}

// plainKeys are the words before "key" of what is no secret.
var plainKeys = regexp.MustCompile(`(?i)(?:public|pub|cache|primary|foreign|partition|sort|index|idempotency|idem|object|row|map|dict|group|hot|press|code|lookup|natural|composite|unique|range|hash|dedup\w*|storage|s3|i18n|translation|config|registry|json|etag|query|route|routing|state|ssh-\w+|host|known)[_.-]?keys?\z`)

// likelyKey says of a value that a key's name announced whether it is a secret. Keys of maps are called keys, too.
func likelyKey(text string, v value) bool {
	s := v.head(text)
	if v.form != assigned && v.form != stated || len(s) < 20 || plainKeys.MatchString(v.name) || !isStrong(s) || publicKey.MatchString(s) ||
		tellsOtherwise(text[runeAt(text, max(0, v.start-nearBy)):v.start]) {
		return false
	}
	if hexDigest.MatchString(s) || uuid.MatchString(s) {
		if strings.EqualFold(v.name, "key") || !isShouted(v.name) && !exported(text, v) {
			return false
		}
	} else if breaks(s)*4 < len(s) {
		return false
	}
	return likelyToken(text, v)
}

// exported reports whether a variable is an environment's, though its name is not all capitals: CF_Key=….
func exported(text string, v value) bool {
	line := text[max(0, v.start-maxName):v.start]
	return exportedName.MatchString(line)
}

var exportedName = regexp.MustCompile(`(?:\A|[\s;])[A-Z]\w*_[A-Z][a-z]+=["']?\z`)

var uuid = regexp.MustCompile(`\A[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\z`)

// likelySession says whether a value is the secret of a session, rather than a name or a number for it.
func likelySession(text string, v value) bool {
	s := v.head(text)
	return v.form == assigned && len(s) >= 20 && !uuid.MatchString(s) && likelyToken(text, v)
}

// isCredential reports whether s may be a secret at all: it is not blanked out, not a reference to where the secret is, and
// not a word that stands for one. Well-known default values such as "changeme" are such words.
func isCredential(s string) bool {
	return !isBlank(s) && !isReference(s) && !allWords(s, placeholders)
}

// isOrdinary reports whether s consists of words that say something about a secret.
func isOrdinary(s string) bool {
	return allWords(s, placeholders, vocabulary)
}

// isBlank reports whether s stands for a secret that somebody else has blanked out, or shows what one looks like. It looks at what
// stands behind the last "_", "-" or ".", which is often a token's prefix. Blank is what has nothing but x, * and other fillers, four *
// or five x in a row, the class of a regular expression, the first twelve letters of the alphabet in a row, or an ellipsis, EXAMPLE or
// EXAMPLEKEY at its end.
//
// The alphabet is for the documents that write ghp_abcdefghijklmnopqrstuvwxyz0123456789. A token made at random holds it less than once in
// 10^15; what a person made up of it is let through. Ascending digits alone exempt nothing: too many passwords hold them.
func isBlank(s string) bool {
	if i := strings.LastIndexAny(s, "_-."); i >= 0 && len(s)-i > 4 {
		s = s[i+1:] // without the prefix of a token's shape
	}
	return strings.Trim(s, "xX*.•●·…_-#?= ") == "" || strings.HasSuffix(s, "...") || strings.HasSuffix(s, "…") ||
		strings.Contains(asciiLower(s), "abcdefghijkl") || isPattern.MatchString(s) || // an alphabet, a pattern
		strings.HasSuffix(s, "EXAMPLE") || strings.HasSuffix(s, "EXAMPLEKEY") || strings.Contains(s, "****") || strings.Contains(asciiLower(s), "xxxxx")
}

// isPattern finds the class of a regular expression.
var isPattern = regexp.MustCompile(`\[(?:[^\]]*[A-Za-z0-9]-[A-Za-z0-9]|\^|\\w)[^\]]*\]`)

var (
	wholeReference = regexp.MustCompile(`\A(?:\$[A-Za-z_]\w*|%\w+%|\{\w*\}|\[[\w .-]*\]?|(?:<|&lt;).*|%[-+# 0-9.*]*[a-zA-Z](?:\\[nrt])*|[@:][A-Za-z_]+|\$env:\w+|[A-Za-z_][\w.]*\[["']?[\w-]*["']?\](?:\.[\w-]+)*)\z`)
	reference      = regexp.MustCompile(`(?i)\A(?:\$\(|<%|!(?:secret|vault|ref|sub|env)\b|op://|vault:|env[:(.]|enc\[|arn:aws|file:|ssm:|secretsmanager:|process\.env|import\.meta|os\.|secrets\.|vars\.|var\.|[a-z][a-z0-9+.-]*://)`)
)

// isReference reports whether s says where a secret is, or what is to be put in its place.
func isReference(s string) bool {
	return strings.Contains(s, "${") || strings.Contains(s, "#{") || strings.Contains(s, "{{") ||
		wholeReference.MatchString(s) || reference.MatchString(s)
}

var (
	path      = regexp.MustCompile(`\A(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\][\w.@ -]*)+\z`)
	call      = regexp.MustCompile(`\A[\w.:>\[\]&*!?-]*\w(?:[(\[]|\{)|\A[(\[{<=+^]|\A[&*!][A-Za-z_]|\A\d+[*+/-][A-Za-z]`)
	member    = regexp.MustCompile(`\A[&*!]?[A-Za-z_]\w*(?:(?:\.|->|::|\?\.)[A-Za-z_]\w*)+!?\z`)
	variable  = regexp.MustCompile(`\A[A-Za-z_]\w*\z`)
	namesakes = regexp.MustCompile(`(?i)pass|pwd|token|secret|key|cred|auth`)
)

func isPath(s string) bool {
	if !path.MatchString(s) {
		return false
	}
	words := strings.FieldsFunc(s, func(r rune) bool { return r >= 0x80 || !isAlnum(byte(r)) })
	joined := strings.Join(words, "")
	return breaks(joined)*4 <= len(joined)
}

// isCode reports whether s, which is not quoted, is an expression of a program.
func isCode(s string) bool {
	if call.MatchString(s) {
		return true
	}
	few := len(s)-len(strings.Map(dropDigit, s)) <= 1
	return member.MatchString(s) && (few || breaks(s)*3 < len(s)) || variable.MatchString(s) && few && namesakes.MatchString(s)
}

// isCamel reports whether s is a name in camel case, perhaps with a number.
func isCamel(s string) bool {
	return variable.MatchString(s) && strings.ContainsAny(s, letters[:26]) && strings.ContainsAny(s, letters[26:]) &&
		breaks(s)*4 <= len(s) && len(s)-len(strings.Map(dropDigit, s)) <= 5 && !isBabble(s)
}

// isBabble reports whether nobody could pronounce s and no style of joining words explains its capitals.
func isBabble(s string) bool {
	return breaks(s)*6 >= len(s) && unvoiced.MatchString(s)
}

var unvoiced = regexp.MustCompile(`(?i)[bcdfghjklmnpqrstvwxz]{5}`)

func dropDigit(r rune) rune {
	if r >= '0' && r <= '9' {
		return -1
	}
	return r
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

func hasDigit(s string) bool  { return strings.ContainsAny(s, digits) }
func hasLetter(s string) bool { return strings.ContainsAny(s, letters) }
func isNumber(s string) bool  { return strings.Trim(s, digits) == "" }
func isTitle(s string) bool {
	return s != "" && isUpper(s[0]) && strings.Trim(s[1:], letters[:26]) == ""
}

// breaks counts the places in s where the kind of character changes, other than from an upper to a lower case letter. Words
// and names, camel case included, have few.
func breaks(s string) int {
	kind := func(c byte) int {
		switch {
		case isLower(c):
			return 0
		case isUpper(c):
			return 1
		case isDigit(c):
			return 2
		default:
			return 3
		}
	}
	n := 0
	for i := 1; i < len(s); i++ {
		was, is := kind(s[i-1]), kind(s[i])
		if was != is && !(was == 1 && is == 0) {
			n++
		}
	}
	return n
}

// isStrong reports whether s is so mixed that it is hardly a word, whatever stands around it.
func isStrong(s string) bool {
	return hasDigit(s) && hasLetter(s) && bits(s) >= 3 && (len(s) >= 16 || breaks(s)*4 >= len(s))
}

// isScrambled reports whether s, which has the shape of a token, is one and not a hyphenated name.
func isScrambled(s string) bool {
	return !isSlug(s) && bits(s) >= 2.5
}

var tame = regexp.MustCompile(`\A(?:\d{4}-\d\d-\d\d.*|-?0[xX][0-9A-Fa-f]{1,16})\z`) // a date, a number

// isRandom reports whether s looks like made by a machine.
func isRandom(s string) bool {
	if isSlug(s) || tame.MatchString(s) || !hasLetter(s) {
		return false
	}
	n := len(s) - len(strings.Map(dropDigit, s))
	switch {
	case n == 0:
		return len(s) >= 16 && (breaks(s)*4 >= len(s) || isBabble(s)) || len(s) >= 24 && (s == asciiLower(s) || isShouted(s))
	case n < 3:
		return breaks(s)*4 >= len(s) || len(s) >= 20
	default:
		return true
	}
}

// isSlug reports whether s is a name put together of words and small numbers: prod-db-2, tls.cert.2024, getUserById.
func isSlug(s string) bool {
	if isShouted(s) && hasDigit(s) && strings.Count(s, "-") >= 2 {
		return false // a licence key or recovery code
	}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune("-_./: ", r) }) {
		stem := strings.TrimRight(part, digits)
		trailing := len(part) - len(stem)
		switch {
		case len(part) <= 3:
		case stem == "" && trailing <= 4:
		case trailing <= 2 && len(stem) <= 20 && strings.Trim(stem, letters) == "" && breaks(stem)*4 <= len(stem):
		default:
			return false
		}
	}
	return true
}

// isSentence reports whether s, which holds spaces, is something said about a password rather than a passphrase.
func isSentence(s string) bool {
	if isUpper(s[0]) && !hasDigit(s) || strings.HasSuffix(s, ".") {
		return true
	}
	for w := range strings.FieldsSeq(asciiLower(s)) {
		if sentence[strings.Trim(w, ",.:;!?()")] {
			return true
		}
	}
	return false
}

// allWords reports whether each word of s is a number or in one of the sets.
func allWords(s string, sets ...map[string]bool) bool {
words:
	for w := range strings.FieldsFuncSeq(asciiLower(s), func(r rune) bool { return r < 0x80 && !isAlnum(byte(r)) }) {
		if isNumber(w) {
			continue
		}
		for _, set := range sets {
			if set[w] {
				continue words
			}
		}
		return false
	}
	return true
}
