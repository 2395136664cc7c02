package redact

import (
	"regexp"
	"strings"
)

// bareword is an argument that is a token, quoted or not.
const bareword = `["']?([\w+/=.:~-]{16,256})["']?(?:[\s;,)|]|\z)`

// handedRules find secrets that are handed over without a name: to a program that logs in, to a constructor, through a pipe.
func handedRules() []rule {
	return []rule{
		{kind: "secret", keywords: []string{" login ", " auth ", " unseal ", " authenticate ", " activate ", "authtoken ", "auth-token ", "set-token ", "api-key "}, expr: `(?:(?i) login| auth| unseal| authenticate| activate| \S*auth-?token| set-token| \S*api-key)(?: -{1,2}[\w-]{1,32}){0,4} ` + bareword, judge: isHanded},
		{kind: "secret", keywords: []string{"codecov", "snyk", "sonar-scanner", "sentry-cli", "flyctl", "vercel", "netlify", "doppler", "influx ", "argocd", "glab "}, find: option(optionForm{apart: true, judge: isHanded}, " -t", " --token", " --auth-token", " -T", " -k")},
		{kind: "otp-seed", keywords: []string{"oathtool"}, expr: `oathtool(?: {1,4}-{1,2}[\w-]{1,32}(?:=\S{1,32}| \d{1,10})?){0,6} +["']?([A-Za-z2-7]{16,128}=*|[0-9a-fA-F]{20,128})`},
		{kind: "otp-seed", keywords: []string{"totp", "hotp"}, expr: `(?i:[th]otp)[^\n]{0,24}?["'\x60(:= ]([A-Z2-7]{16,64})(?:[^\w]|\z)`, judge: hasDigit},
		{kind: "password", keywords: []string{"auth "}, expr: `AUTH (?:[a-z][\w-]{0,32} )?["']?([^\s"'<>]{6,128})`, edge: true, judge: isStrongPassword},
		{kind: "password", keywords: []string{"sqlplus", "expdp", "impdp", "sqlldr", "rman ", "sqlcl"}, expr: `(?i:sqlplus|expdp|impdp|sqlldr|rman|sqlcl) (?:[^\n]{0,60}?[ =])??["']?[\w$#]{1,64}/["']?([^\s@"'/]{3,64})["']?@[\w/]`, judge: isCredential},
		{kind: "password", keywords: []string{"connect ", "conn "}, expr: `(?i:conn(?:ect)?) ["']?[\w$#]{1,64}/["']?([^\s@"'/]{3,64})["']?@[\w/]`, judge: isStrongPassword},
		{kind: "password", keywords: []string{"lftp", "ncftp"}, find: option(optionForm{apart: true, behind: ","}, " -u", " --user")},
		{kind: "password", keywords: []string{"http ", "https ", "httpie ", "xh ", "ab ", "wrk ", "siege "}, find: option(optionForm{apart: true, behind: ":"}, " -a", " --auth", " -A")},
		{kind: "password", keywords: []string{"convertto-securestring"}, expr: `(?i)ConvertTo-SecureString(?: -(?:String|AsPlainText|Force)){0,3} ["']([^"'\n]{4,128})["']`, judge: isCredential},
		{kind: "password", keywords: []string{"networkcredential("}, expr: `(?i)NetworkCredential\(\s*["'][^"'\n]*["'],\s*["']([^"'\n]{4,128})["']`, judge: isCredential},
		{kind: "password", keywords: []string{"to log in", "to login", "to sign in", "to log on", "to connect", "to authenticate", "to get in"}, find: toLogIn},
		{kind: "wifi-password", keywords: []string{"wifi:"}, expr: `WIFI:(?:[A-Z]:(?:\\.|[^;\n\\]){0,64};){0,4}?P:"?((?:\\.|[^;\n"\\]){4,128})"?;`, judge: isCredential},
		{kind: "secret", keywords: []string{"define("}, expr: `define\(\s*['"]\w*(?:KEY|SALT|SECRET|TOKEN)['"],\s*'([^'\n]{20,128})'`, judge: isSalt},
		{kind: "secret", keywords: []string{"hmac.new(", "createhmac(", "hash_hmac(", "jwt.sign(", "jwt.encode(", "jwt.decode(", "jwt.verify("}, expr: `(?i)(?:hmac\.new\(|createHmac\(["'][\w-]+["'],\s*|hash_hmac\(["'][\w-]+["'],[^,\n]{1,60},\s*|jwt\.\w+\([^,\n]{1,80},\s*)b?["']([^"'\n]{8,256})["']`, judge: isSigning},
		{kind: "secret", keywords: []string{"echo ", "printf "}, expr: `(?:echo|printf)(?: -\w{1,8}| ["']?%s["']?){0,3} ["']?([^\s"'$\x60|<>]{8,256})["']?[ \t]*(?:>{1,2}|\|[ \t]*(?:sudo )?tee(?: -a)?)[ \t]*\S{0,64}(?i:key|token|secret|pass|cred|auth|licen[cs]e)`, judge: isSigning},
		{kind: "secret", keywords: []string{"echo ", "printf "}, expr: `(?:echo|printf)(?: -\w{1,8}| ["']?%s["']?){0,3} ["']?([^\s"'$\x60|<>]{8,256})["']?[ \t]*\|[ \t]*[^\n|]{0,100}?(?:-stdin\b|--with-token|passphrase-fd|secrets? (?:set|put|create|versions add)|\bwg\b|cryptsetup|\blogin\b|\bunlock\b|\bunseal\b)`, judge: isSigning},
		{kind: "secret", keywords: []string{"login(", "client(", "configure(", "authenticate(", "set_token(", "settoken("}, expr: `(?i:login|client|configure|authenticate|set_?token)\(\s*(?:\w*(?:key|token|secret|auth)\w*\s*[=:]\s*)?["']([\w+/=.-]{20,256})["']`, judge: isConstructed},
		{kind: "secret", keywords: []string{"keys", "tokens", "secrets", "keys_b64", "keys_hex", "keys_base64"}, expr: `(?i:keys|tokens|secrets)(?:_b64|_hex|_base64)?["']?\s*[:=]\s*\[\s*((?:["'][\w+/=-]{20,}["'],?\s*){2,})\]`, judge: isHandedList},
		{kind: "secret", keywords: []string{"secretid", "secret_id", "secret id"}, expr: `(?i)secret[_ ]?id["']?\s*[:=]?\s*["']?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`},
		{kind: "secret", weak: true, keywords: []string{"postmark", "snyk", "codecov", "heroku", "nomad", "consul", "scaleway", "pinecone"}, find: vendorUUID},
		{kind: "kubeadm-token", keywords: []string{"kubeadm"}, expr: `kubeadm[^\n]{0,80}?[\s=]([a-z0-9]{6}\.[a-z0-9]{16})(?:\s|\z)`},
	}
}

// isHanded reports whether an argument where a token may stand is one: made by a machine, and no host, path or version.
func isHanded(s string) bool {
	s = strings.TrimRight(s, ".:")
	if uuid.MatchString(s) {
		return true
	}
	if !strings.ContainsAny(s, letters[26:]) && strings.ContainsAny(s, "-_.") {
		return false // a name
	}
	return hasDigit(s) && hasLetter(s) && isRandom(s) && isCredential(s) && bits(s) >= 3 && !extension.MatchString(s) && !isPath(s) && !publicKey.MatchString(s) &&
		!strings.Contains(s, "://") && !versionNumber.MatchString(s) && !isCode(s) && !isCamel(s)
}

// isConstructed is stricter than isHanded: what a client is made with may be an identifier.
func isConstructed(s string) bool {
	return !uuid.MatchString(s) && breaks(s)*4 >= len(s) && isHanded(s)
}

// isSalt reports whether a long string, which may hold spaces, is made by a machine and no phrase.
func isSalt(s string) bool {
	return hasDigit(s) && bits(s) >= 3.5 && breaks(s)*4 >= len(s) && isCredential(s)
}

func isSigning(s string) bool {
	return isCredential(s) && !isOrdinary(s) && !isPath(s) && (isMixed(s) || len(s) >= 16 && isHanded(s))
}

// isHandedList reports whether a list of quoted words is one of tokens.
func isHandedList(s string) bool {
	for item := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune("\"', \t\r\n", r) }) {
		if !isHanded(item) || uuid.MatchString(item) {
			return false
		}
	}
	return true
}

var loginPair = regexp.MustCompile(`(?:^|[\s"'\x60(])[\w.@+-]{2,64}["'\x60]?(?: ?[/:|] ?|, | with | and )["'\x60]?([^\s"'\x60<>]{6,64})["'\x60]? *\z`)

// toLogIn finds the password in "use bob / PASSWORD to log in".
func toLogIn(text string, at, _ int) (int, int, bool) {
	from := runeAt(text, max(0, at-maxValue))
	loc := loginPair.FindStringSubmatchIndex(text[from:at])
	if loc == nil || !isMixed(text[from+loc[2]:from+loc[3]]) {
		return 0, 0, false
	}
	return from + loc[2], from + loc[3], true
}

var uuidNear = regexp.MustCompile(`\A[^\n]{0,60}?\b([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\b`)

// vendorUUID finds a token in the form of a UUID behind the name of a vendor whose tokens are such.
func vendorUUID(text string, at, end int) (int, int, bool) {
	loc := uuidNear.FindStringSubmatchIndex(text[end:runeAt(text, end+maxValue)])
	if loc == nil || tellsOtherwise(text[end:end+loc[2]]) || accessor.MatchString(text[end:end+loc[2]]) {
		return 0, 0, false
	}
	return end + loc[2], end + loc[3], true
}

var accessor = regexp.MustCompile(`(?i)accessor|flag|url|node|alloc|eval|job|app|instance|server_id|org|project|/`)
