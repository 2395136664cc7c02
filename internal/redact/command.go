package redact

import (
	"regexp"
	"strings"
)

// argument is a quoted or bare word, as a shell takes it.
const argument = `(?:\\*"([^"\\\n]+)|'([^'\n]+)'|([^\s"']+))`

// commandRules find passwords that programs take in ways of their own. Options with a telling name are left to namedRules.
func commandRules() []rule {
	return []rule{
		{kind: "password", keywords: []string{"mysql", "mariadb", "7z"}, find: option(optionForm{glued: true}, " -p")},
		{kind: "password", keywords: []string{"sshpass", "mongosh", "mongodump", "mongorestore", "mongo", "twine", "az ", "oc ", "keytool", "hydra", "smbclient", "vncpasswd", "xfreerdp", "nmcli", "sqlplus", "isql", "mosquitto_pub", "mosquitto_sub", "htpasswd"}, find: option(optionForm{glued: true, apart: true}, " -p")},
		{kind: "password", keywords: []string{"login"}, find: option(optionForm{apart: true}, " -p")},
		{kind: "password", keywords: []string{"ssh-keygen"}, find: option(optionForm{apart: true}, " -N", " -P")},
		{kind: "password", keywords: []string{"openssl"}, find: option(optionForm{apart: true}, " -k", " -K")},
		{kind: "password", keywords: []string{"net user "}, expr: `(?i)net user \S{1,64} ` + argument, judge: isStrongPassword},
		{kind: "password", keywords: []string{" -p "}, find: besideUser},
		{kind: "password", keywords: []string{"mosquitto_pub", "mosquitto_sub"}, find: option(optionForm{apart: true}, " -P", " --pw")},
		{kind: "password", keywords: []string{"htpasswd"}, expr: `htpasswd (?:-\w+ )*-\w*b\w*(?: -\w+)* \S+ \S+ ` + argument, judge: isCredential},
		{kind: "password", keywords: []string{"/user:"}, expr: `(?i)/user:\S{1,64} ` + argument, judge: isStrongPassword},
		{kind: "password", keywords: []string{"| sudo -s", "|sudo -s", "| passwd --stdin", "| docker login", "| chpasswd", "| podman login", "| kinit", "| su "}, find: piped},
		{kind: "password", keywords: []string{"chpasswd"}, expr: `chpasswd\s*<<<\s*["']?[\w.-]+:([^\s"']{4,})`, judge: isCredential},
		{kind: "password", keywords: []string{"redis-cli"}, find: option(optionForm{apart: true}, " -a")},
		{kind: "password", keywords: []string{"ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami"}, find: option(optionForm{apart: true}, " -w")},
		{kind: "password", keywords: []string{"sqlcmd", "zip", "unzip"}, find: option(optionForm{apart: true}, " -P")},
		{kind: "password", keywords: []string{"curl"}, find: option(optionForm{apart: true, glued: true, behind: ":"}, " -u", " --user", " -U", " --proxy-user")},
		{kind: "password", keywords: []string{"smbclient"}, find: option(optionForm{apart: true, behind: "%"}, " -U")},
		{kind: "password", keywords: []string{"-pass pass:", "-passin pass:", "-passout pass:"}, expr: `(?i)-pass(?:in|out)? pass:` + argument, judge: isCredential},
		{kind: "password", keywords: []string{"identified by"}, expr: `(?i)identified\s+by\s+(?:password\s+)?["']([^"'\n]+)["']`, judge: isCredential},
	}
}

// ports are what docker and ssh take under the same option.
var ports = regexp.MustCompile(`\A[\d.:]*:\d+(?:/tcp|/udp)?\z|\A\d{1,5}\z`)

// maxCommand bounds how far behind a program's name its options are looked for.
const maxCommand = 300

// An optionForm says how a program takes a secret: -pSECRET, -p SECRET (or =SECRET), and what precedes it in its argument.
type optionForm struct {
	glued, apart bool
	behind       string
	judge        func(string) bool // says whether it is one, where the option may mean something else
}

// option makes a finder of the argument of the first of flags on a command line that the keyword begins.
func option(form optionForm, flags ...string) finder {
	return func(text string, at, end int) (int, int, bool) {
		if !startsWord(text, at) {
			return 0, 0, false
		}
		if text[end-1] == ' ' {
			end-- // an option begins with a space
		}
		line := text[end:min(len(text), end+maxCommand)]
		line = line[:indexAny(line, "\n|;")]
		vain := 0
		for _, flag := range flags {
			for from := 0; ; {
				i := strings.Index(line[from:], flag)
				if i < 0 {
					break
				}
				from += i + len(flag)
				if start, stop, ok := form.argument(text, end+from); ok {
					return start, stop, true
				}
				vain += 16 // about what it costs to read an argument
			}
		}
		return vain, 0, false
	}
}

// argument gives the bounds of the secret in the argument that follows an option's name at text[i:].
func (f optionForm) argument(text string, i int) (int, int, bool) {
	start := i
	for start < len(text) && (text[start] == ' ' || text[start] == '=') {
		start++
	}
	if start == i && !f.glued || start > i && !f.apart {
		return 0, 0, false
	}
	v := valueAt(text, start)
	if f.behind != "" {
		_, secret, ok := strings.Cut(text[v.start:v.stop], f.behind)
		if !ok {
			return 0, 0, false
		}
		v.start = v.stop - len(secret)
	}
	secret := v.head(text)
	if len(secret) < 3 || secret[0] == '-' || ports.MatchString(secret) || !isCredential(secret) || f.judge != nil && !f.judge(secret) {
		return 0, 0, false
	}
	return v.start, v.end(text), true
}

// besideUser finds a password behind -p where -u or the like gives a user before it, whatever the program.
func besideUser(text string, at, end int) (int, int, bool) {
	line := text[max(0, at-120):at]
	line = line[strings.LastIndexByte(line, '\n')+1:]
	if !strings.Contains(line, " -u ") && !strings.Contains(line, " -U ") && !strings.Contains(line, " --user") ||
		strings.Contains(line, "mysql") || strings.Contains(line, "mariadb") { // there it is the name of a database
		return 0, 0, false
	}
	return optionForm{apart: true}.argument(text, end-1)
}

var echoed = regexp.MustCompile(`(?:echo|printf|printf %s)(?: -\w+)* ["']?([^"'|\n]{4,128}?)["']?\s*\z`)

// piped finds a password that is piped into a program that asks for one.
func piped(text string, at, _ int) (int, int, bool) {
	from := runeAt(text, max(0, at-2*maxValue))
	loc := echoed.FindStringSubmatchIndex(text[from:at])
	if loc == nil {
		return 0, 0, false
	}
	secret := text[from+loc[2] : from+loc[3]]
	if i := strings.IndexByte(secret, ':'); i > 0 && i+1 < len(secret) {
		loc[2] += i + 1 // user:password
		secret = secret[i+1:]
	}
	if !isCredential(secret) || strings.ContainsAny(secret, "$ ") {
		return 0, 0, false
	}
	return from + loc[2], from + loc[3], true
}
