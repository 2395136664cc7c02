package redact

import (
	"regexp"
	"slices"
	"strings"
)

// namedRules find secrets by the name of what holds them: a variable, a key, an option, a header, a word in a sentence.
func namedRules() []rule {
	password := naming{judge: likelyPassword}
	brief := naming{judge: likelyPassword, apart: true}
	token := naming{judge: likelyToken}
	return []rule{
		{kind: "aws-access-key", keywords: slices.Concat(joined("aws", "secret"), joined("aws", "session", "token"), joined("secret", "access", "key")), find: token.find},
		{kind: "bearer-token", keywords: []string{"authorization"}, find: authorization},
		{kind: "bearer-token", keywords: []string{"bearer"}, find: bearer},
		{kind: "api-key", keywords: slices.Concat(
			joined("api", "key"), joined("access", "key"), joined("app", "key"), joined("account", "key"), joined("auth", "key"),
			joined("private", "key"), joined("signing", "key"), joined("encryption", "key"), joined("master", "key"),
			joined("service", "key"), joined("license", "key"), joined("subscription", "key"), joined("storage", "key"),
			joined("shared", "key"), joined("webhook", "key"), joined("jwt", "key"), joined("hmac", "key"), joined("deploy", "key"), joined("client", "key"), joined("x", "key"),
			joined("app", "secret"), joined("aes", "key"), joined("des", "key"), joined("host", "key"), joined("session", "key"), joined("security", "key"), joined("admin", "key"),
			joined("server", "key"), joined("secure", "key"), joined("crypto", "key"), joined("cipher", "key"), joined("decryption", "key"), joined("wrapping", "key"), joined("root", "key"),
			joined("publish", "key"), joined("write", "key"), joined("read", "key"), joined("push", "key"), joined("product", "key"), joined("activation", "key"), joined("serial", "key"), joined("preshared", "key"), joined("pre", "shared", "key"), []string{"psk"},
		), find: token.find},
		{kind: "password", keywords: []string{"password", "passwd", "passphrase", "passcode", "pwd", "storepass", "keypass", "bindpw", "rootpw", "requirepass", "masterauth", "authtok", "sshpass", "dbpass", "rootpass", "userpass", "adminpass", "smtppass", "mailpass", "ftppass", "ldappass", "bindpass", "redispass", "sudopass", "mypass"}, find: password.find},
		{kind: "password", keywords: foreignPasswords, find: password.find},
		{kind: "password", keywords: []string{"clave", "clé", "chave", "chiave"}, find: naming{judge: likelyForeign, apart: true}.find},
		{kind: "api-key", keywords: foreignKeys, find: token.find},
		{kind: "secret", keywords: []string{"key"}, find: naming{judge: likelyKey, apart: true}.find},
		{kind: "password", keywords: []string{"pass", "pw"}, find: brief.find},
		{kind: "secret", keywords: append(joined("secret", "key"), "secret", "token", "credential"), find: token.find},
		{kind: "secret", keywords: []string{"auth", "pat", "creds", "salt", "pepper", "hmac", "jwt", "dsn"}, find: naming{judge: likelyToken, apart: true}.find},
		{kind: "secret", keywords: []string{"sessionid", "sessid", "session_id", "session-id", "session id"}, find: naming{judge: likelySession}.find},
		{kind: "secret", keywords: []string{"session", "sid"}, find: naming{judge: likelySession, apart: true}.find},
	}
}

// foreignPasswords are the words for a password in other languages than English, as far as they are other words.
var foreignPasswords = []string{
	"passwort", "kennwort", "contraseña", "contrasena", "mot de passe", "senha", "пароль", "Пароль", "密码", "密碼", "パスワード", "비밀번호", "wachtwoord", "lösenord", "hasło", "parola", "şifre",
	"adgangskode", "salasana", "heslo", "jelszó", "mật khẩu",
}

// foreignKeys are the words for a key or a token in other languages than English.
var foreignKeys = []string{
	"schlüssel", "schluessel", "clé api", "clé d'api", "clé secrète", "clé d'accès", "clave api", "clave de api", "clave secreta", "clave de acceso", "chiave api", "chave api", "chave de api",
	"jeton", "ключ", "токен", "密钥", "令牌", "キー", "トークン", "sleutel", "nyckel", "klucz",
}

// joined gives the ways in which words become one name.
func joined(words ...string) []string {
	var names []string
	for _, sep := range []string{"", "_", "-", " ", "."} {
		names = append(names, strings.Join(words, sep))
	}
	return names
}

// A naming finds a secret behind its name.
type naming struct {
	judge func(text string, v value) bool
	apart bool // the keyword is a word of its own within the name, as in db_pass but not in bypass
}

// A form is how a value is bound to its name.
type form int

const (
	unbound  form = iota
	assigned      // name = value, name: value, -p value, <name>value</name>
	stated        // the name is value
	beside        // name value
	literal       // setName("value"), name || "value": a secret only in quotes
)

func (n naming) find(text string, at, end int) (int, int, bool) {
	tail := end
	for tail < len(text) && tail-end < maxName && (isAlnum(text[tail]) || text[tail] == '_' || text[tail] == '-') {
		tail++
	}
	if !tellsSecret(text[at:end], text[end:tail]) || n.apart && (!startsPart(text, at) || tail > end) {
		return 0, 0, false
	}
	name := at
	for name > 0 && at-name < maxName && (isAlnum(text[name-1]) || strings.IndexByte("_-.", text[name-1]) >= 0) {
		name--
	}
	from, form := bind(text, tail)
	option := strings.HasPrefix(text[name:], "-")
	if form == beside && option {
		form = assigned
	}
	if form == unbound || n.apart && (form == beside || form == stated && strings.TrimSpace(text[tail:from]) == "to" || text[name:tail] == "PASS") { // the verdict of a test
		return 0, 0, false
	}
	v := valueAt(text, from)
	if from == tail+1 && text[tail] == '>' && !strings.HasPrefix(text[v.stop:], "<") {
		return 0, 0, false // a type parameter, not an element
	}
	v.form, v.name = form, text[name:tail]
	v.bare = option || strings.HasPrefix(asciiLower(v.name), "x-") ||
		from == tail+1 && (isShouted(v.name) || name > 0 && strings.IndexByte("?&;", text[name-1]) >= 0)
	if v.start < v.stop && n.judge(text, v) && (v.quote || !looselyBound(text[tail:from]) || isStrongPassword(v.head(text)) || isShouted(v.name) && isRandom(v.head(text))) {
		if plainNames.MatchString(v.name) {
			return 0, 0, false
		}
		return v.start, v.end(text), true
	}
	if next, ok := typed(text, v); ok && n.judge(text, next) && !plainNames.MatchString(v.name) {
		return next.start, next.end(text), true
	}
	return 0, 0, false
}

// plainNames are of tokens and keys that are no secrets: they continue a list, end a text, or are made to be published.
var plainNames = regexp.MustCompile(`(?i)(?:page|paging|pagination|continuation|continue|cursor|sync|resume|cancel|cancellation|stop|eos|bos|pad|unk|mask|sep|cls|special|design|publishable|public)[ _-]?(?:tokens?|keys?|secrets?)(?:_id)?\z`)

// looselyBound reports whether what stands between a name and its value binds something else as often.
func looselyBound(sign string) bool {
	sign = strings.TrimSpace(sign)
	return sign == "to" || sign == "-" || strings.HasSuffix(sign, " -") || strings.HasSuffix(sign, "–") || strings.HasSuffix(sign, "—") || strings.HasSuffix(sign, "→")
}

// maxName bounds how much of a name is read on either side of its keyword.
const maxName = 64

// tellsSecret reports whether a name that goes on with tail behind keyword still names a secret: password_prod, tokenV2 and
// SECRETS do, tokenizer, password_file and token-count do not.
func tellsSecret(keyword, tail string) bool {
	if tail == "" {
		return true
	}
	if tail[0] == 's' || tail[0] == 'S' {
		tail = tail[1:]
	}
	if tail == "" {
		return true
	}
	camel := isUpper(tail[0]) && !isUpper(keyword[len(keyword)-1])
	if isAlpha(tail[0]) && !camel {
		return false
	}
	last := tail[strings.LastIndexAny(tail, "_-")+1:]
	if camel && !isShouted(last) {
		last = last[max(0, strings.LastIndexFunc(last, func(r rune) bool { return r >= 'A' && r <= 'Z' })):]
	}
	return !about[asciiLower(last)]
}

// startsPart reports whether a word of a name begins at text[at]: user_pass, userPass, pass.
func startsPart(text string, at int) bool {
	return startsWord(text, at) || isUpper(text[at]) && isLower(text[at-1])
}

// isShouted reports whether a name is written like an environment variable's.
func isShouted(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool { return r >= 'a' && r <= 'z' }) < 0
}

// binding is what stands between a name and its value: perhaps the end of a quotation, of an index or of emphasis, a remark
// in parentheses, and then a sign or a verb. Its groups are, in order, the forms assigned, stated, literal, and stated again.
// With more than 500 instructions (now 493) package regexp would match it several times slower.
var binding = regexp.MustCompile(`\A(?:\\*["'\x60\])*])*(?:[ \t]*\([^()\n]+\))?(?:` +
	`([ \t]*(?::=|=>|->|:-|[!=]={1,2}|=|:)(?:[ \t]*\*{2})?[ \t]*|[ \t]+\|[ \t]+|>|["'][ \t]+value[ \t]*=[ \t]*|</key>\s*<string>|[ \t]+--(?:body|value|secret-string|text|plaintext|data)[ =]|,?\s*["']?value["']?[ \t]*[:=][ \t]*|\s*\{[^{}]*?\bdefault[ \t]*=[ \t]*)` +
	`|((?: (?:for|of|to|on|in|at|from|de|del|di|da|du|der|des|para|pour|per|für|von|vom|zum|zur)(?: [\w.@/'-]+){1,4}?)?[ \t]+(?i:is|was|are|will be|ist|lautet|war|est|es|è|é|será|foi|to|equals|set to|changed to|reset to)(?i: now| still| currently)?(?i: (?:set|changed|reset|updated) to)?:?[ \t]+)` +
	`|([ \t]*(?:\|\||\?\?|,|\()[ \t]*)` +
	`|((?: (?:for|of|to|on|in|at|from|de|del|di|da|du|der|des|para|pour|per|für|von|vom|zum|zur)(?: [\w.@/'-]+){1,4}?)?[ \t]*(?:→|⇒|—|–|：|:|=| - )[ \t]*))`)

// bind gives where the value begins of the name that ends at text[i], and how it is bound.
func bind(text string, i int) (int, form) {
	j := i
	for j < len(text) && (text[j] == ' ' || text[j] == '\t') {
		j++
	}
	// Most names in a text are words of a sentence. Neither sign nor verb of binding begins like what follows them.
	const signs, verbs = "\\\"'`])*(:=-!|?>,\n{<\xe2\xef\xc3", "acdefiloprstvwzACDEFILOPRSTVWZ"
	if j == len(text) {
		return j, unbound
	}
	if strings.IndexByte(signs, text[j]) < 0 && (j == i || strings.IndexByte(verbs, text[j]) < 0) {
		return j, besideIf(j > i)
	}
	if j, ok := plainSign(text, i); ok {
		return j, assigned
	}
	rest := text[i:]
	if loc := binding.FindStringSubmatchIndex(rest[:min(len(rest), 128)]); loc != nil {
		for g, f := range []form{assigned, stated, literal, stated} {
			if loc[2+2*g] >= 0 {
				return i + loc[1], f
			}
		}
	}
	return j, besideIf(j > i)
}

// plainSign gives where the value begins behind the commonest signs, as binding would but faster: NAME=value, "name": value.
func plainSign(text string, i int) (int, bool) {
	if i < len(text) && text[i] == '"' {
		i++
	}
	if i+1 >= len(text) || text[i] != ':' && text[i] != '=' || !isAlnum(text[i+1]) && strings.IndexByte(" \"'", text[i+1]) < 0 {
		return 0, false
	}
	i++
	for i < len(text) && text[i] == ' ' {
		i++
	}
	return i, i < len(text) && (isAlnum(text[i]) || text[i] == '"' || text[i] == '\'')
}

func besideIf(apart bool) form {
	if apart {
		return beside
	}
	return unbound
}

// typed gives the value behind a type, where v is one: password: str = "…".
func typed(text string, v value) (value, bool) {
	rest := text[v.stop:]
	after := strings.TrimLeft(rest[:min(len(rest), 8)], " \t")
	if v.quote || !strings.HasPrefix(after, "=") || strings.HasPrefix(after, "==") {
		return value{}, false
	}
	from := v.stop + strings.IndexByte(rest, '=') + 1
	for from < len(text) && (text[from] == ' ' || text[from] == '\t') {
		from++
	}
	next := valueAt(text, from)
	next.form, next.name = literal, v.name
	return next, next.start < next.stop
}

// scheme is how a credential in an Authorization header begins (RFC 9110, section 11.4).
var scheme = regexp.MustCompile(`\A(?i:bearer|basic|token|apikey|api-key|negotiate|bot|key)(?: |%20|\+)+`)

// authorization finds the credential in an Authorization header, in whatever notation.
func authorization(text string, at, end int) (int, int, bool) {
	from, form := bind(text, end)
	if form != assigned && form != literal {
		return 0, 0, false
	}
	v := valueAt(text, from)
	if v.start < len(text) && text[v.start] == '[' {
		v.start++ // as a log writes a header: [Basic …]
	}
	known := scheme.FindString(text[v.start:])
	if known != "" {
		v = value{start: v.start + len(known)}
		v.stop = v.start + wordLen(text[v.start:], maxValue)
	} else if form == literal && !v.quote {
		return 0, 0, false
	}
	secret := v.head(text)
	if len(secret) < 6 || !isCredential(secret) || isOrdinary(secret) || isCode(secret) || known == "" && !isRandom(secret) {
		return 0, 0, false
	}
	return v.start, v.end(text), true
}

// challenge is what a server asks with, in place of a token (RFC 6750, section 3).
var challenge = regexp.MustCompile(`\A[a-z_]+=`)

// bearer finds a bearer token away from its header.
func bearer(text string, at, end int) (int, int, bool) {
	if !startsWord(text, at) || end == len(text) || text[end] != ' ' {
		return 0, 0, false
	}
	v := value{start: end + 1, stop: end + 1 + wordLen(text[end+1:], maxValue)}
	secret := v.head(text)
	if len(secret) < 12 || isCode(secret) || !isRandom(secret) || !isCredential(secret) || challenge.MatchString(secret) {
		return 0, 0, false
	}
	return v.start, v.end(text), true
}
