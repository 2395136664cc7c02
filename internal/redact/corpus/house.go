package corpus

import "strings"

// House is the corpus of those who wrote the rules: they know where it hurts, and what the rules look for.
func House(seed uint64) Corpus {
	c := Corpus{Name: "house"}
	// Each kind goes into some of the texts, the next kind into the next ones, so that all are used about as often.
	const each = 5
	turn := 0
	texts := func(all []string) (some []string) {
		for range each {
			some = append(some, all[turn%len(all)])
			turn++
		}
		return some
	}
	for _, k := range byShape {
		var around []string
		for _, t := range texts(bare) {
			around = append(around, strings.ReplaceAll(t, "§", k.around))
		}
		c.secrets(seed, k.kind, k.secret, around)
	}
	turn = 0
	for _, k := range byName {
		kebab := strings.ToLower(strings.ReplaceAll(k.variable, "_", "-"))
		names := strings.NewReplacer("VAR", k.variable, "SNAKE", strings.ToLower(k.variable), "KEBAB", kebab, "CAMEL", camel(k.variable), "WORDS", k.words)
		var named []string
		for _, t := range texts(announced) {
			named = append(named, names.Replace(t))
		}
		c.secrets(seed, k.kind, k.secret, named)
	}
	for _, k := range byPlace {
		c.secrets(seed, k.kind, k.secret, k.texts)
	}
	positives := len(c.Cases)
	c.clean(seed)
	c.long(seed, positives)
	return c
}

// secrets adds a case for each text, in which § stands for the secret.
func (c *Corpus) secrets(seed uint64, kind, secret string, texts []string) {
	s := seeded(seed, kind)
	for _, t := range texts {
		value := s.fill(secret)
		c.Cases = append(c.Cases, Case{Kind: kind, Text: strings.ReplaceAll(s.fill(t), "§", value), Secrets: []string{value}})
	}
}

// long adds messages in which several secrets stand among much else, as in a pasted session.
func (c *Corpus) long(seed uint64, positives int) {
	const messages, each = 24, 3
	s := seeded(seed, "long-message")
	dirty, clean := c.Cases[:positives], c.Cases[positives:]
	for range messages {
		var texts, secrets []string
		for range each {
			d := dirty[s.IntN(len(dirty))]
			texts = append(texts, clean[s.IntN(len(clean))].Text, d.Text)
			secrets = append(secrets, d.Secrets...)
		}
		c.Cases = append(c.Cases, Case{Kind: "long-message", Text: strings.Join(texts, "\n\n"), Secrets: secrets})
	}
}

// clean adds every clean text in several instances, each with other hashes, numbers and names; one without any, once.
func (c *Corpus) clean(seed uint64) {
	for _, group := range cleanTexts {
		s := seeded(seed, group.kind)
		for _, pattern := range group.texts {
			last := ""
			for range 4 {
				text := s.fill(pattern)
				if text == last {
					break
				}
				c.Cases = append(c.Cases, Case{Kind: group.kind, Text: text})
				last = text
			}
		}
	}
}

// camel makes apiKey of API_KEY.
func camel(variable string) string {
	var b strings.Builder
	for i, part := range strings.Split(strings.ToLower(variable), "_") {
		if i > 0 && part != "" {
			part = strings.ToUpper(part[:1]) + part[1:]
		}
		b.WriteString(part)
	}
	return b.String()
}

// bare are texts for a secret that is known by its looks; half of them do not say that it is one.
var bare = []string{
	"Use § for the staging run, please.",
	"I rotated it: the new one is §",
	"found § in the history, should we rewrite it?",
	"§",
	"(§)",
	"[§]",
	"see §, then retry",
	"it was §. Now it is gone.",
	"`§`",
	"**§**",
	"<td>§</td>",
	"| ci | § | eu-west-1 |",
	"- §\n- nothing else",
	"> §\n\nwhy is this in the ticket?",
	"https://api.example.com/v2/items?auth=§&page=2",
	"{\"output\":\"§\",\"ok\":true}",
	"{'cred': '§'}",
	"out=[§]|next",
	"const c = new Client({ credential: \"§\" });",
	"client := vendor.NewClient(\"§\", vendor.WithTimeout(10*time.Second))",
	"client = Client('§')  # gitleaks:allow",
	"cfg.Key = `§`",
	"  token: §\n  region: eu",
	"TOKEN=§ ./deploy.sh --env prod",
	"export CRED='§'",
	"curl -s -H \"X-Token: §\" https://api.example.com/v1/me",
	"2026-11-20T09:14:03Z WARN client: request with key § rejected: 401",
	"diff --git a/.env b/.env\n--- a/.env\n+++ b/.env\n@@ -1 +1 @@\n-API_KEY=\n+API_KEY=§",
	"panic: unauthorized: § goroutine 1 [running]:",
	"echo § | vendor login --stdin",
	"Der Schlüssel lautet § und gilt bis Freitag.",
	"密钥是§，请勿外传",
	"first line\r\n§\r\nlast line",
	"key=§;expires=never",
	"args: [\"--key\", \"§\"]",
	"\"\"\"\n§\n\"\"\"",
	"<!-- § -->",
	"token§*not part*",
	"{§}",
	"§,x,y",
	"§&next=1",
}

// announced are texts for a secret that only its name gives away.
var announced = []string{
	"export VAR=§",
	"VAR=§",
	"VAR=\"§\" make deploy",
	"services:\n  app:\n    environment:\n      VAR: §",
	"services:\n  app:\n    environment:\n      - VAR=§\n      - PORT=8080",
	"{\"SNAKE\": \"§\", \"retries\": 3}",
	"{\"CAMEL\":\"§\"}",
	"The WORDS is §.",
	"here is the WORDS: §",
	"**WORDS:** `§`",
	"os.Setenv(\"VAR\", \"§\")",
	"VAR = \"§\"",
	"const CAMEL = '§';",
	"CAMEL := \"§\"",
	"@@ -3,1 +3,1 @@\n-VAR=${VAR}\n+VAR=§",
	"docker run -e VAR=§ -p 8080:8080 app:latest",
	"| VAR | § |",
	"- name: VAR\n  value: §",
	"[vendor]\nSNAKE = \"§\"",
	"gh secret set VAR --body \"§\"",
	"vendorctl login --KEBAB §",
	"vendorctl login --KEBAB=§ --region eu",
	"level=info msg=\"config loaded\" SNAKE=§ region=eu",
	"process.env.VAR = \"§\"",
	"heroku config:set VAR=§",
	"SNAKE: '§' # from the vault",
	"ENV VAR=§",
	"$env:VAR = \"§\"",
	"set SNAKE §",
	"I set VAR to § on the runner.",
}

// A shape is a kind of secret known by its looks, which around shows if the secret itself is only a part of it.
type shape struct{ kind, secret, around string }

// A name is a kind of secret that looks like any hash or id, and is known by what stands before it.
type name struct{ kind, words, variable, secret string }

// A place is a kind of secret known by where it stands.
type place struct {
	kind, secret string
	texts        []string
}
