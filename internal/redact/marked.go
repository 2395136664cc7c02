package redact

import (
	"crypto/sha256"
	"math/big"
	"regexp"
	"strings"
	"sync"
)

// markedRules find what carries its mark not in front but within: an address that is a secret, a marker in the middle, a checksum.
func markedRules() []rule {
	return []rule{
		{kind: "slack-webhook", keywords: []string{"hooks.slack.com/"}, find: address(`hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]{20,}`)},
		{kind: "discord-webhook", keywords: []string{"discord.com/api/", "discordapp.com/api/"}, find: address(`(?i)discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/[\w-]{20,}`)},
		{kind: "teams-webhook", keywords: []string{"webhookb2/"}, find: address(`webhookb2/[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/\w{24,}(?:/[\w-]+)*`)},
		{kind: "webhook-url", keywords: []string{"hooks.zapier.com/", "hook.eu1.make.com/", "hook.us1.make.com/", "hook.make.com/", "hooks.airtable.com/", "maker.ifttt.com/"}, find: address(
			`(?i)(?:hooks\.zapier\.com/hooks/catch/\d+|hook(?:\.\w+)?\.make\.com|hooks\.airtable\.com/workflows/v1/genericWebhook|maker\.ifttt\.com/trigger/\w+/with/key)/[\w/-]{6,}\w`)},
		{kind: "webhook-url", keywords: []string{"/workflows/"}, find: address(`/workflows/[0-9a-f]{32}/triggers/[^\s"'<>]{0,512}?[?&]sig=[\w%-]{20,}`)},
		{kind: "webhook-url", keywords: []string{"chat.googleapis.com/"}, find: address(`chat\.googleapis\.com/v1/spaces/[\w-]+/messages\?[^\s"'<>]{0,512}?\btoken=[\w%-]{16,}`)},
		{kind: "telegram-token", keywords: []string{":aa"}, find: within(digits, 6, 12, `:AA[\w-]{30,}`)},
		{kind: "google-key", keywords: []string{":apa91b"}, find: within(letters+digits+"-_", 7, 24, `:APA91b[\w-]{60,}`)},
		{kind: "rancher-token", keywords: []string{"token-", "kubeconfig-u"}, expr: `(?:token|kubeconfig-u(?:ser)?)-[a-z0-9.-]{4,24}:[a-z0-9]{40,}`, edge: true},
		{kind: "azure-key", keywords: []string{"acdb", "+ast", "+asb", "+aeh", "+aem", "aiot", "+arm", "azfu", "azse", "azca", "+aba", "+acr", "azeg", "+aeg", "azdo"}, find: azureMarked},
		{kind: "bitcoin-key", sweep: walletKeys},
	}
}

// address makes a finder of an address that is a secret as a whole, since whoever knows it may use it. expr matches from the
// keyword on; the address begins before it, with its scheme if it has one.
func address(expr string) finder {
	compiled := sync.OnceValue(func() program { return compileExpr(expr) })
	return func(text string, at, end int) (int, int, bool) {
		loc, vain := compiled().match(text[at:runeAt(text, end+maxMatch)])
		if loc == nil {
			return vain, 0, false
		}
		if isBlank(text[at : at+loc[1]]) {
			return 0, at + loc[1], false
		}
		start := at
		for start > 0 && at-start < maxValue && (isAlnum(text[start-1]) || strings.IndexByte("-._~:/%?=&", text[start-1]) >= 0) {
			start--
		}
		if i := strings.LastIndex(text[start:at], "://"); i >= 0 {
			scheme := start + i
			for scheme > start && isAlpha(text[scheme-1]) {
				scheme--
			}
			return scheme, at + loc[1], true
		}
		return at, at + loc[1], true
	}
}

// within makes a finder of what has least to most characters of an alphabet before the keyword, and from it on matches expr.
func within(alphabet string, least, most int, expr string) finder {
	compiled := sync.OnceValue(func() program { return compileExpr(expr) })
	return func(text string, at, end int) (int, int, bool) {
		loc, vain := compiled().match(text[at:runeAt(text, end+maxMatch)])
		if loc == nil {
			return vain, 0, false
		}
		start, stop := at, at+loc[1]
		for start > 0 && at-start < most && strings.IndexByte(alphabet, text[start-1]) >= 0 {
			start--
		}
		if at-start < least {
			start = at + 1
		}
		secret := text[at+1 : stop]
		if isBlank(secret) || !isScrambled(secret) {
			return 0, stop, false
		}
		return start, stop, true
	}
}

// azureMarked finds a key of Azure by the letters that say what it is for, six or seven characters before its end.
func azureMarked(text string, at, end int) (int, int, bool) {
	stop := end
	for stop < len(text) && stop-end < 10 && isBase64(text[stop]) {
		stop++
	}
	n := stop - end
	for stop < len(text) && text[stop] == '=' && stop-end < n+2 {
		stop++
	}
	start := at
	for start > 0 && at-start < 2*maxValue && isBase64(text[start-1]) {
		start--
	}
	if n < 4 || n > 8 || at-start < 32 || at-start > 90 || strings.HasPrefix(text[start:], "sha") || continues(text, stop) {
		return 0, 0, false
	}
	// Folded letters would be found in any base64; the marker is as Azure writes it.
	if !azureMarker.MatchString(text[at:end]) || !isRandom(text[start:at]) || breaks(text[start:at])*4 < at-start {
		return 0, 0, false
	}
	return start, stop, true
}

var azureMarker = regexp.MustCompile(`\A(?:ACDb|AIoT|\+A(?:St|Sb|Eh|Em|Rm|Ba|CR|EG)|Az(?:Fu|Se|Ca|EG)|AZDO)\z`)

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// walletKeys finds private keys in the format of Bitcoin's wallets: they end in a checksum, so nothing else is taken for one.
func walletKeys(text string, left *budget, found func(start, stop int)) error {
	const least, most = 51, 52
	for i := least - 1; i < len(text); i += least {
		if !isAlnum(text[i]) {
			continue
		}
		start, stop := i, i+1
		for start > 0 && i-start < most && isAlnum(text[start-1]) {
			start--
		}
		for stop < len(text) && stop-start <= most && isAlnum(text[stop]) {
			stop++
		}
		if n := stop - start; n < least || n > most || strings.IndexByte("5KL9c", text[start]) < 0 {
			continue
		}
		if !left.take(4 * most) {
			return ErrCostly
		}
		if isWalletKey(text[start:stop]) {
			found(start, stop)
		}
	}
	return nil
}

// isWalletKey reports whether s is base58 whose last four bytes are the checksum of the others.
func isWalletKey(s string) bool {
	n, radix := new(big.Int), big.NewInt(58)
	for i := range len(s) {
		d := strings.IndexByte(base58, s[i])
		if d < 0 {
			return false
		}
		n.Add(n.Mul(n, radix), big.NewInt(int64(d)))
	}
	raw := n.Bytes()
	if len(raw) < 37 {
		return false
	}
	body := raw[:len(raw)-4]
	sum := sha256.Sum256(body)
	sum = sha256.Sum256(sum[:])
	return string(sum[:4]) == string(raw[len(raw)-4:])
}
