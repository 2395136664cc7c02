package redact

import (
	"strings"
	"testing"
)

func shapes(r source) map[string][]string {
	return map[string][]string{
		"aws-access-key": {"AKIA" + r.of(upper, 16), "ASIA" + r.of(upper, 15) + "7"},
		"github-token": {
			"ghp_" + r.of(base62, 36), "gho_" + r.of(base62, 36), "ghu_" + r.of(base62, 36), "ghs_" + r.of(base62, 36),
			"ghr_" + r.of(base62, 36), "github_pat_" + r.of(base62, 22) + "_" + r.of(base62, 59),
		},
		"gitlab-token": {"glpat-" + r.of(urls, 20)},
		"openai-key": {
			"sk-" + r.of(base62, 48), "sk-proj-" + r.of(urls, 60), "sk-svcacct-" + r.of(urls, 60), "sk-or-v1-" + r.of(hexes, 64),
			"sk-" + r.of(hexes, 32),
		},
		"anthropic-key": {
			"sk-ant-" + "api03-" + r.of(urls, 93) + "AA", "sk-ant-" + "oat01-" + r.of(urls, 93) + "AA", "sk-ant-" + "admin01-" + r.of(urls, 93) + "AA",
		},
		"slack-token": {
			"xoxb-" + r.of(digits, 12) + "-" + r.of(digits, 12) + "-" + r.of(base62, 24), "xoxp-" + r.of(digits, 12) + "-" + r.of(hexes, 32),
			"xoxa-2-" + r.of(base62, 30), "xoxr-" + r.of(base62, 30), "xapp-1-A" + r.of(base36, 10) + "-" + r.of(digits, 13) + "-" + r.of(hexes, 64),
		},
		"jwt":                {"eyJ" + r.of(urls, 33) + ".eyJ" + r.of(urls, 70) + "." + r.of(urls, 43)},
		"agentbridge-token":  {"abt1_" + r.of(base62, 6) + "_" + r.of(urls, 64), "abi1_" + r.of(urls, 22), "abi1_" + r.of(base62, 6) + "_" + r.of(urls, 22)},
		"google-key":         {"AIza" + r.of(urls, 35)},
		"google-token":       {"ya29." + r.of(urls, 80)},
		"stripe-key":         {"sk_live_" + r.of(base62, 24), "rk_live_" + r.of(base62, 24), "sk_test_" + r.of(base62, 99)},
		"npm-token":          {"npm_" + r.of(base62, 36)},
		"pypi-token":         {"pypi-" + "AgEIcHlwaS5vcmc" + r.of(urls, 80)},
		"huggingface-token":  {"hf_" + r.of(letters, 34)},
		"groq-key":           {"gsk_" + r.of(base62, 52)},
		"figma-token":        {"figd_" + r.of(urls, 40)},
		"tailscale-key":      {"tskey-" + "auth-" + r.of(base62, 17) + "-" + r.of(base62, 32), "tskey-" + "api-" + r.of(base62, 17) + "-" + r.of(base62, 32)},
		"supabase-key":       {"sbp_" + r.of(hexes, 40)},
		"digitalocean-token": {"dop_v1_" + r.of(hexes, 64)},
		"sendgrid-key":       {"SG." + r.of(urls, 22) + "." + r.of(urls, 43)},
		"twilio-key":         {"SK" + r.of(hexes, 32)},
		"vault-token":        {"hvs." + r.of(urls, 90)},
		"terraform-token":    {r.of(base62, 14) + ".atlasv1." + r.of(urls, 67)},
		"mailchimp-key":      {r.of(hexes, 32) + "-us12"},
		"telegram-token":     {r.of(digits, 9) + ":AA" + r.of(urls, 33)},
	}
}

func TestRedact_FindsTokensByTheirShape(t *testing.T) {
	s := newScanner(t)
	contexts := []string{
		"%", "use % now", "line\n%\nline", "(%)", "[%]", "{%}", "<%>", "`%`", "\"%\"", "'%'", "**%**", "see: %.", "%,", "%;", "%|", "|%|", "%&x", "%*",
		"%)", "%]", "%}", "%<br>", "a=%&b=c", `{"note":"%"}`, `"first\n%\nlast"`, "gitleaks:allow %", "% # gitleaks:allow", "日本語%日本語",
		"\x1b[31m%\x1b[0m", "\u202e%\u202c",
	}
	for n := range 20 {
		for kind, tokens := range shapes(seeded("shapes", n)) {
			for _, token := range tokens {
				for _, c := range contexts {
					wantSecret(t, s, strings.ReplaceAll(c, "%", token), kind, token)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
}

func TestRedact_JoinsSplitTokens(t *testing.T) {
	s := newScanner(t)
	token := "ghp_" + seeded("split", 0).of(base62, 36)
	for _, split := range []string{"\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\U000e0041", "\ufe0f", "\x1b[1m", "\x1b]0;x\x07", "\u009b4m", "\x08", "\x1b"} {
		wantSecret(t, s, "token "+token[:9]+split+token[9:]+" end", "github-token", token)
		wantSecret(t, s, "token "+token[:2]+split+token[2:]+" end", "github-token", token)
	}
}

func TestRedact_FindsPartsOfAddresses(t *testing.T) {
	s := newScanner(t)
	for n := range 50 {
		r := seeded("addresses", n)
		id, hook, seed, azure := r.of(digits, 18), r.of(urls, 68), r.of(upper, 32), r.of(base64s, 86)+"=="
		wantSecret(t, s, "post to https://discord.com/api/webhooks/"+id+"/"+hook+", ok", "discord-webhook", "https://discord.com/api/webhooks/"+id+"/"+hook)
		slack := "T" + r.of(upper, 8) + "/B" + r.of(upper, 8) + "/" + r.of(base62, 24)
		wantSecret(t, s, "curl https://hooks.slack.com/services/"+slack+" -d x", "slack-webhook", "https://hooks.slack.com/services/"+slack)
		wantSecret(t, s, "otpauth://totp/Bridge:bob?secret="+seed+"&issuer=Bridge", "otp-seed", seed)
		wantSecret(t, s, "AccountName=x;AccountKey="+azure+";EndpointSuffix=core", "azure-key", azure)
		sig := r.of(base62, 40) + "%3D"
		wantSecret(t, s, "https://x.blob.core.windows.net/c?sv=2024-11-04&sr=c&sig="+sig+"&sp=r", "azure-key", sig)
	}
}

func TestRedact_FindsPrivateKeys(t *testing.T) {
	s := newScanner(t)
	r := seeded("pem", 0)
	for _, label := range []string{"RSA", "EC", "DSA", "OPENSSH", "ENCRYPTED", "", "PGP"} {
		label = strings.TrimSpace(label + " PRIVATE KEY")
		if strings.HasPrefix(label, "PGP") {
			label += " BLOCK"
		}
		block := pem(label, r.key(20))
		cut := block[:len(block)/2]
		for _, c := range []string{"%", "here:\n%\nthanks, that is all", "```\n%\n```", "key: |\n%\n"} {
			wantSecret(t, s, strings.ReplaceAll(c, "%", block), "private-key", block)
		}
		escaped := strings.ReplaceAll(block, "\n", `\n`)
		wantSecret(t, s, `{"private_key":"`+escaped+`\n","client":"x"}`, "private-key", escaped)
		indented := strings.ReplaceAll(block, "\n", "\n    ")
		wantSecret(t, s, "key: |\n    "+indented+"\nother: 1", "private-key", indented)
		wantSecret(t, s, "it broke off: "+cut, "private-key", cut)
		whole := block[:strings.LastIndex(block[:len(block)-60], "\n")]
		wantSecret(t, s, whole+"\n\nThanks for looking!", "private-key", whole)
		wantSecret(t, s, `{"k":"`+strings.ReplaceAll(whole, "\n", `\n`)+`"}`, "private-key", strings.ReplaceAll(whole, "\n", `\n`))
	}
	headers := "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC," + r.of(hexes, 32) + "\n\n" + r.key(9)
	wantSecret(t, s, pem("RSA "+"PRIVATE KEY", headers), "private-key", pem("RSA "+"PRIVATE KEY", headers))
}
