package redact

import (
	"slices"
	"strings"
)

// shape is a rule for tokens that only a prefix tells from words. It must begin where a word does, unless it is unmistakable.
func shape(kind, expr string, keywords ...string) rule {
	edge := slices.ContainsFunc(keywords, func(w string) bool { return len(w) < 6 || !strings.ContainsAny(w, "_-.") })
	return rule{kind: kind, keywords: keywords, expr: expr, edge: edge, judge: isNoName}
}

// isNoName reports whether what has a token's shape is not a long name after a short word: test_ReadsWhatTheLibraryReads.
func isNoName(s string) bool { return hasDigit(s) || breaks(s)*4 >= len(s) }

// moreShapes are tokens of vendors that gitleaks does not know, or knows only with the vendor's name before them.
func moreShapes() []rule {
	return []rule{
		// code hosts, builds, packages
		shape("bitbucket-token", `AT(?:BB|CTT)[A-Za-z0-9_=-]{24,}`, "atbb", "atctt"),
		shape("gitlab-token", `(?:GR1348941|glffct-|glimt-|gloas-|glwt-|gltoken-)[\w-]{16,}`, "gr1348941", "glffct-", "glimt-", "gloas-", "glwt-"),
		shape("gitea-token", `gt[aopr]_[A-Za-z0-9]{30,}`, "gta_", "gto_", "gtp_", "gtr_"),
		shape("buildkite-token", `bk(?:ua|at|pt|ct|ci)_[A-Za-z0-9]{30,}`, "bkua_", "bkat_", "bkpt_", "bkct_", "bkci_"),
		shape("circleci-token", `CCI(?:PAT|PRJ)_[\w-]{20,}`, "ccipat_", "cciprj_"),
		shape("sonar-token", `sq[pua]_[a-f0-9]{32,}`, "sqp_", "squ_", "sqa_"),
		shape("crates-token", `cio[A-Za-z0-9]{32}`, "cio"),
		{kind: "nuget-key", keywords: []string{"oy2"}, expr: `oy2[a-z0-9]{43}`, edge: true, exactly: true},
		shape("artifactory-token", `(?:cmVmdGtu|AKCp)[A-Za-z0-9]{40,}`, "cmvmdgtu", "akcp"),
		shape("vercel-token", `(?:vc[pkair]_|vercel_blob_rw_|vercel_)[A-Za-z0-9_]{20,}`, "vcp_", "vck_", "vca_", "vci_", "vcr_", "vercel_"),
		shape("netlify-token", `nf[pcoub]_[A-Za-z0-9]{30,}`, "nfp_", "nfc_", "nfo_", "nfu_", "nfb_"),
		shape("render-key", `rnd_[A-Za-z0-9]{20,}`, "rnd_"),
		shape("fly-token", `(?:FlyV1 )?(?:fm\d[ar]?|fo\d)_[A-Za-z0-9+/=_,-]{36,}`, "flyv1 fm", "flyv1 fo", "fm1", "fm2_", "fo1_"),
		shape("snyk-token", `snyk_[a-z]+\.[\w.-]{30,}`, "snyk_"),
		shape("semgrep-token", `(?:sgrep|semgrep)_[A-Za-z0-9_]{30,}`, "sgrep_", "semgrep_"),
		// models
		shape("openai-key", `sess-[A-Za-z0-9]{36,}`, "sess-"),
		shape("elevenlabs-key", `sk_[a-f0-9]{40,}`, "sk_"),
		shape("cerebras-key", `csk-[a-z0-9]{36,}`, "csk-"),
		shape("fireworks-key", `fw_[A-Za-z0-9]{20,}`, "fw_"),
		shape("together-key", `tgp_v\d_[\w-]{32,}`, "tgp_v"),
		shape("pinecone-key", `pcsk_[\w-]{32,}`, "pcsk_"),
		shape("tavily-key", `tvly-[\w-]{24,}`, "tvly-"),
		shape("firecrawl-key", `fc-[a-f0-9]{32}`, "fc-"),
		shape("jina-key", `jina_[\w-]{40,}`, "jina_"),
		{kind: "voyage-key", keywords: []string{"pa-", "al-"}, expr: `(?:pa|al)-[\w-]{40,}`, edge: true, judge: isStrong},
		shape("nvidia-key", `nvapi-[\w-]{32,}`, "nvapi-"),
		shape("langfuse-key", `sk-lf-[0-9a-f-]{32,}`, "sk-lf-"),
		shape("cursor-key", `(?:key|crsr)_[a-f0-9]{60,}`, "key_", "crsr_"),
		shape("apify-token", `apify_(?:api|proxy)_[\w-]{20,}`, "apify_"),
		// clouds
		shape("google-refresh", `1//0[\w-]{24,}`, "1//0"),
		shape("tencent-key", `AKID[A-Za-z0-9]{28,}`, "akid"),
		shape("alibaba-key", `(?:LTAI|STS\.N)[A-Za-z0-9]{12,}`, "ltai", "sts.n"),
		shape("yandex-key", `(?:AQVN|YC|y[0-3]_)[\w-]{34,}`, "aqvn", "yca", "y0_"),
		shape("yandex-token", `t1\.[\w-]{4,}=*\.[\w-]{60,}=*`, "t1."),
		shape("scaleway-key", `SCW[A-Z0-9]{17}`, "scw"),
		{kind: "azure-devops-token", keywords: []string{"azdo"}, before: 76, expr: `[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}`, edge: true},
		{kind: "azure-key", keywords: []string{"jqqj99"}, before: 52, expr: `[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,}`, edge: true},
		shape("aws-key", `ABSK[A-Za-z0-9+/]{60,}=*`, "absk"),
		shape("digitalocean-token", `(?:dop|doo|dor|dos)_v\d_[a-f0-9]{32,}`, "dos_v1_"),
		// data
		shape("neon-key", `napi_[a-z0-9]{40,}`, "napi_"),
		shape("neon-password", `npg_[A-Za-z0-9]{10,}`, "npg_"),
		shape("planetscale-secret", `pscale_[a-z]+_[\w=.-]{24,}`, "pscale_"),
		shape("mongodb-key", `mdb_sa_sk_[\w-]{24,}`, "mdb_sa_sk_"),
		shape("airtable-token", `pat[A-Za-z0-9]{14}\.[a-f0-9]{40,}`, "pat"),
		shape("contentful-token", `CFPAT-[\w-]{30,}`, "cfpat-"),
		shape("sanity-token", `sk[A-Za-z0-9]{80,}`, "sk"),
		shape("confluent-secret", `cflt[A-Za-z0-9+/]{50,}`, "cflt"),
		shape("clickhouse-key", `4b1d[A-Za-z0-9]{30,}`, "4b1d"),
		shape("databricks-token", `(?:dapi|dose|dkea|doapi|dsapi)[0-9a-f]{32,}(?:-\d)?`, "dose", "dkea", "doapi"),
		// secrets and infrastructure
		shape("infisical-token", `st\.[a-f0-9]{24}\.[a-f0-9.]{32,}`, "st."),
		shape("doppler-token", `dp\.[a-z]{2,5}\.(?:[\w-]+\.)?[A-Za-z0-9]{30,}`, "dp.scim.", "dp.audit.", "dp.said."),
		shape("pulumi-token", `pul-[a-f0-9]{32,}`, "pul-"),
		shape("bitwarden-token", `0\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[A-Za-z0-9]{20,}:[\w+/=]{20,}`, "0."),
		shape("onepassword-key", `A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){2,3}`, "a3-"),
		shape("ngrok-token", `(?:ak|cr|ngrok)_[A-Za-z0-9]{26,}`, "ak_2", "cr_2"),
		shape("cloudflare-key", `cf(?:at|ut|k)_[\w-]{32,}`, "cfat_", "cfut_", "cfk_"),
		// watching
		shape("newrelic-key", `NR(?:AK|AA|II|IQ|JS|RA)-[A-Za-z0-9_-]{18,}`, "nrii-", "nriq-", "nrjs-", "nrra-"),
		{kind: "newrelic-key", keywords: []string{"nral"}, before: 36, expr: `[a-f0-9]{36}NRAL`, edge: true},
		shape("honeycomb-key", `hc[a-z]{2}[kli]_[A-Za-z0-9]{30,}`, "hcaik_", "hcbik_", "hcaic_", "hcamk_", "hcxik_"),
		shape("dynatrace-token", `dt0[a-z]\d\d\.[A-Z0-9]{20,}\.[A-Z0-9]{40,}`, "dt0c01.", "dt0s01.", "dt0s16.", "dt0s02."),
		shape("posthog-key", `ph[xs]_[A-Za-z0-9_-]{30,}`, "phx_", "phs_"),
		shape("segment-token", `sgp_[A-Za-z0-9_]{32,}`, "sgp_"),
		shape("launchdarkly-key", `(?:api|sdk|mob)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`, "api-", "sdk-", "mob-"),
		shape("statsig-key", `secret-[A-Za-z0-9]{30,}`, "secret-"),
		// talk
		shape("discord-token", `[MNO][A-Za-z0-9_-]{22,27}\.[\w-]{6,7}\.[\w-]{27,}`, "md", "mt", "mj", "mz", "nd", "nt", "nj", "nz", "od", "ot"),
		shape("discord-token", `mfa\.[\w-]{80,}`, "mfa."),
		{
			kind: "webhook-url", keywords: []string{"hooks.zapier.com/", "hook.eu1.make.com/", "hook.us1.make.com/", "hook.make.com/", "hooks.airtable.com/", "maker.ifttt.com/"},
			expr: `(?i)(?:hooks\.zapier\.com/hooks/catch/\d+|hook(?:\.\w+)?\.make\.com|hooks\.airtable\.com/workflows/v1/genericWebhook|maker\.ifttt\.com/trigger/\w+/with/key)/([\w/-]{6,}\w)`,
		},
		{kind: "telegram-token", keywords: []string{"/bot"}, expr: `/bot\d{6,}:([\w-]{30,})`},
		{kind: "mailgun-key", keywords: []string{"-"}, find: mailgun},
		shape("mailersend-token", `mlsn\.[a-f0-9]{40,}`, "mlsn."),
		shape("brevo-key", `xsmtpsib-[a-f0-9]{40,}-[A-Za-z0-9]+`, "xsmtpsib-"),
		shape("resend-key", `re_[A-Za-z0-9]{6,}_[A-Za-z0-9]{18,}`, "re_"),
		shape("sendinblue-key", `xkeysib-[a-f0-9]{40,}-[A-Za-z0-9]+`, "xkeysib-"),
		shape("twilio-key", `AC[0-9a-f]{32}:([0-9a-f]{32})`, "ac"),
		{kind: "webhook-url", keywords: []string{"/hooks/"}, expr: `/hooks/([a-z0-9]{26})`, judge: hasDigit, exactly: true},
		// money
		shape("stripe-key", `(?:[rs]k_(?:live|test)|sk_org|rk_org|ek_live|ek_test|whsec|we_sec)_[A-Za-z0-9_]{16,}`, "sk_org_", "ek_live_", "ek_test_"),
		shape("square-token", `EAAA[\w-]{40,}`, "eaaa"),
		shape("braintree-token", `access_token\$\w+\$[a-z0-9]{10,}\$[a-f0-9]{32}`, "access_token$"),
		shape("flutterwave-key", `FLWSECK(?:_TEST)?-[A-Za-z0-9]{12,}(?:-X)?`, "flwseck-", "flwseck_test-"),
		shape("razorpay-key", `rzp_(?:live|test)_[A-Za-z0-9]{12,}`, "rzp_live_", "rzp_test_"),
		shape("plaid-token", `access-(?:sandbox|development|production)-[0-9a-f]{8}-[0-9a-f-]{27}`, "access-sandbox-", "access-development-", "access-production-"),
		shape("lob-key", `(?:live|test)_(?:pub_)?[a-f0-9]{30,}`, "live_", "test_"),
		shape("paystack-key", `sk_(?:live|test)_[a-f0-9]{30,}`, "sk_live_", "sk_test_"),
		shape("mollie-key", `access_[A-Za-z0-9]{30,}`, "access_"),
		shape("coinbase-key", `organizations/[0-9a-f-]{36}/apiKeys/[0-9a-f-]{36}`, "organizations/"),
		shape("paddle-key", `pdl_(?:live|sdbx|ntfset)_[\w-]{20,}`, "pdl_"),
		// work
		{kind: "asana-token", keywords: []string{"2/", "1/"}, expr: `[12]/\d{10,}(?:/\d{10,})?:([a-f0-9]{32})`, edge: true},
		shape("clickup-token", `pk_\d{5,}_[A-Z0-9]{24,}`, "pk_"),
		shape("typeform-token", `tfp_[\w-]{40,}`, "tfp_"),
		shape("mapbox-token", `[st]k\.eyJ[\w-]{20,}\.[\w-]{16,}`, "sk.eyj", "tk.eyj"),
		shape("dropbox-token", `sl\.(?:u\.|B)?[\w-]{60,}`, "sl."),
		shape("facebook-token", `EAA[A-Za-z0-9]{60,}`, "eaa"),
		{kind: "facebook-token", keywords: []string{"|", "%7c"}, find: facebook},
		shape("instagram-token", `IG(?:QV|QW|AA|QS)[\w-]{60,}`, "igq", "igaa"),
		shape("twitter-bearer", `A{18,22}[A-Za-z0-9%_-]{50,}`, "aaaaaaaaaaaaaaaaaa"),
		shape("figma-token", `fig(?:d|o|or|u)_[\w-]{20,}`, "figo_", "figu_"),
		shape("hubspot-token", `(?:pat-(?:na|eu)\d-)[0-9a-f-]{30,}`, "pat-na", "pat-eu"),
		{kind: "trello-token", keywords: []string{"atta"}, expr: `ATTA[A-Za-z0-9]{60,}`, edge: true},
		shape("salesforce-token", `00D[A-Za-z0-9]{12,15}![\w.]{60,}`, "00d"),
		shape("okta-token", `SSWS 00[\w-]{30,}`, "ssws 00"),
		shape("intercom-token", `dG9rO[A-Za-z0-9+/]{40,}=*`, "dg9ro"),
		shape("spotify-token", `B(?:Q|A)[A-Za-z0-9_-]{120,}`, "bqa", "bqb", "bqc", "bqd"),
		shape("twitch-token", `oauth:[a-z0-9]{30}`, "oauth:"),
		shape("roblox-cookie", `_\|WARNING:-DO-NOT-SHARE-THIS.{1,200}\|_[A-F0-9]{100,}`, "_|warning:"),
		shape("paseto", `v\d\.(?:local|public)\.[\w-]{40,}(?:\.[\w-]+)?`, "v1.local.", "v2.local.", "v3.local.", "v4.local.", "v2.public.", "v4.public."),
		shape("jwt", `eyJ[\w-]{10,}\.eyJ[\w-]{10,}`, "eyj"), // cut off
		shape("macaroon", `MDAx[A-Za-z0-9+/_-]{60,}=*`, "mdax"),
		shape("signature", `(?i)X-(?:Amz|Goog)-(?:Signature|Security-Token)=([\w%+/=-]{32,})`, "x-amz-s", "x-goog-s"),
		{kind: "azure-key", keywords: []string{".azurewebsites.net/"}, expr: `(?i)\.azurewebsites\.net/[^\s"'<>?]*\?(?:[^\s"'<>]*?&)?code=([\w%/+=-]{20,})`},
		{kind: "bitcoin-key", keywords: []string{"xprv", "yprv", "zprv", "tprv"}, expr: `[xyzt]prv[1-9A-HJ-NP-Za-km-z]{90,}`, edge: true},
	}
}

// facebook finds an app's token: its number, a bar, and the secret.
func facebook(text string, at, end int) (int, int, bool) {
	if at < 14 || strings.Trim(text[at-14:at], digits) != "" {
		return 0, 0, false
	}
	n := runLen(text[end:min(len(text), end+64)], false)
	if n < 27 || n > 40 || !isRandom(text[end:end+n]) {
		return 0, 0, false
	}
	return end, end + n, true
}

// mailgun finds a key of three parts in hex by its first hyphen. A UUID has shorter ones before it.
func mailgun(text string, at, end int) (int, int, bool) {
	const first, rest = 32, len("01234567-01234567")
	if at < first || end+rest > len(text) || text[end+8] != '-' || !startsWord(text, at-first) || continues(text, end+rest) {
		return 0, 0, false
	}
	for i, c := range []byte(text[at-first : end+rest]) {
		if c != '-' && (c < 'a' || c > 'f') && !isDigit(c) || c == '-' && i != first && i != first+9 {
			return 0, 0, false
		}
	}
	return at - first, end + rest, true
}
