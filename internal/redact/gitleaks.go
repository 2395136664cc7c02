package redact

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/zricethezav/gitleaks/v8/config"
)

// A leak is a rule of gitleaks, as its default configuration has it. Of that, only the data is used here: the allow lists,
// comments that turn rules off, and paths would be holes.
type leak struct {
	id       string
	regex    string // empty in a rule about file names
	keywords []string
	entropy  float64
	group    int // of the secret; 0 is the first that took part
}

// gitleaksRules are the rules of gitleaks that add something to ours.
func gitleaksRules() []rule {
	var rules []rule
	for _, l := range readLeaks(config.DefaultConfig) {
		if _, ok := covered[l.id]; ok || declined[l.id] != "" {
			continue
		}
		rules = append(rules, l.rule())
	}
	return rules
}

// readLeaks reads the rules in gitleaks' TOML. A process makes a scanner when it starts, and to read all of TOML would take
// longer than everything else; the file is generated, and a test compares what is read here with what a TOML library reads.
func readLeaks(text string) []leak {
	var leaks []leak
	inRule, inKeywords := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[[") {
			if inRule = line == "[[rules]]"; inRule {
				leaks = append(leaks, leak{})
			}
			continue
		}
		if !inRule {
			continue
		}
		l := &leaks[len(leaks)-1]
		if inKeywords {
			inKeywords = line != "]"
			l.addKeywords(line)
			continue
		}
		name, value, _ := strings.Cut(line, " = ")
		switch name {
		case "id":
			l.id = strings.Trim(value, `"`)
		case "regex":
			l.regex = strings.TrimSuffix(strings.TrimPrefix(value, "'''"), "'''")
		case "entropy":
			l.entropy, _ = strconv.ParseFloat(value, 64)
		case "secretGroup":
			l.group, _ = strconv.Atoi(value)
		case "keywords":
			inKeywords = !strings.HasSuffix(value, "]")
			l.addKeywords(value)
		}
	}
	return leaks
}

func (l *leak) addKeywords(list string) {
	for i, part := range strings.Split(list, `"`) {
		if i%2 == 1 {
			l.keywords = append(l.keywords, asciiLower(part))
		}
	}
}

const (
	// leakSign stands in gitleaks' rules between the name of a service and a value that has no shape of its own.
	leakSign = `(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}`
	// leakLead reads the beginning of the name for reports; it holds no secret.
	leakLead = `[\w.-]{0,50}?`
)

// leakTails are what gitleaks wants to see behind a secret. They miss one at the end of a sentence or a list, or in Markdown.
var leakTails = []string{"(?:[\\x60'\"\\s;]|\\\\[nr]|$|\\b)", "(?:[\\x60'\"\\s;]|\\\\[nr]|$)", `(?:[^\w-]|\z)`, `(?:[^a-zA-Z0-9+/]|\z)`, `(?:[\/|\#|\?|:]|$)`}

// rule makes one of our rules of gitleaks'.
func (l leak) rule() rule {
	r := rule{kind: leakKind(l.id), keywords: l.keywords, entropy: l.entropy, group: l.group}
	if t, ok := tuned[l.id]; ok {
		r.before = t.before
		if t.keywords != nil {
			r.keywords = t.keywords
		}
	}
	r.exactly = strings.Contains(l.regex, leakSign)
	r.edge = strings.HasPrefix(strings.TrimPrefix(l.regex, "(?i)"), `\b`)
	r.source = l.expr
	if r.exactly {
		r.judge = func(s string) bool { return isRandom(s) && isCredential(s) && !isOrdinary(s) }
	}
	return r
}

// expr is gitleaks' expression without what is not wanted here.
func (l leak) expr() string {
	expr := cmp.Or(tuned[l.id].expr, l.regex)
	expr = strings.ReplaceAll(expr, leakLead, "")
	for _, tail := range leakTails {
		expr = strings.ReplaceAll(expr, tail, "")
	}
	return expr
}

// leakWords are shortened where the name of a rule is too long for a placeholder.
var leakWords = strings.NewReplacer(
	"-access-token", "-token", "-api-token", "-token", "-api-key", "-key", "-authentication-token", "-token", "-access-key", "-key",
	"-client-secret", "-secret", "-service-account", "", "-application", "-app", "-personnal", "", "-personal", "", "-organization", "-org",
	"-long-lived", "", "-short-lived", "", "-routable", "", "-kubernetes", "", "amazon-", "", "-encryption", "", "-incoming", "", "-feature-flag", "", "-workspace", "",
)

// leakKind makes a kind of the name of a rule.
func leakKind(id string) string {
	for len(id) > maxKind {
		short := leakWords.Replace(id)
		if short == id {
			short = id[:strings.LastIndexByte(id, '-')]
		}
		id = short
	}
	return id
}

// A tuning changes where and how a rule of gitleaks is tried.
type tuning struct {
	before   int      // bytes of a match before the keyword
	keywords []string // where its own are not part of what it looks for
	expr     string
}

var tuned = map[string]tuning{
	"airtable-personnal-access-token": {keywords: []string{"pat"}},
	"azure-ad-client-secret":          {before: 4, expr: `[a-zA-Z0-9_~.]{3}\dQ~[a-zA-Z0-9_~.-]{31,34}`},
	"freemius-secret-key":             {before: 1},
	"maxmind-license-key":             {before: 36},
	"sourcegraph-access-token":        {keywords: []string{"sgp_"}, expr: `(?i)sgp_(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}`},
}

// covered are rules of gitleaks in whose place one of ours finds more. By id: the kind of ours.
var covered = map[string]string{
	"curl-auth-header":            "bearer-token",
	"curl-auth-user":              "password",
	"facebook-access-token":       "facebook-token",
	"generic-api-key":             "secret",
	"hashicorp-tf-api-token":      "terraform-token",
	"hashicorp-tf-password":       "password",
	"jwt":                         "jwt",
	"kubernetes-secret-yaml":      "kubernetes-secret",
	"lob-api-key":                 "lob-key",
	"lob-pub-api-key":             "lob-key",
	"microsoft-teams-webhook":     "teams-webhook",
	"new-relic-browser-api-token": "newrelic-key",
	"new-relic-insert-key":        "newrelic-key",
	"new-relic-user-api-key":      "newrelic-key",
	"nuget-config-password":       "password",
	"openai-api-key":              "openai-key",
	"private-key":                 "private-key",
	"sidekiq-sensitive-url":       "url-password",
	"slack-config-access-token":   "slack-token",
	"slack-webhook-url":           "slack-webhook",
	"twilio-api-key":              "twilio-key",
	"typeform-api-token":          "typeform-token",
	"vault-service-token":         "vault-token",
}

// declined are rules of gitleaks that are not used. By id: why.
var declined = map[string]string{
	"pkcs12-file":       "it looks at names of files",
	"asana-client-id":   "an identifier in digits is no secret, and any number would be taken for one",
	"discord-client-id": "an identifier in digits is no secret, and any number would be taken for one",
}
