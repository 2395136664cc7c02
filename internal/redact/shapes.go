package redact

// builtin lists the rules, most specific first: where findings overlap, the earliest names the kind.
//
// The vendors' shapes are laxer than the vendors' documents: any length from a sensible least on, and whatever follows.
func builtin() []rule {
	rules := []rule{
		{kind: "private-key", keywords: []string{"-----begin"}, find: privateKey},
		{kind: "agentbridge-token", keywords: []string{"abt1_", "abi1_"}, expr: `abt1_[A-Za-z0-9]+_[\w-]{16,}|abi1_[\w-]{12,}`},
	}
	rules = append(rules, vendorShapes()...)
	rules = append(rules, moreShapes()...)
	rules = append(rules, markedRules()...)
	rules = append(rules, urlRules()...)
	rules = append(rules, commandRules()...)
	rules = append(rules, handedRules()...)
	rules = append(rules, placeRules()...)
	rules = append(rules, gitleaksRules()...)
	rules = append(rules, namedRules()...)
	return append(rules, nearRules()...)
}

// vendorShapes are tokens that can be told by their form alone.
func vendorShapes() []rule {
	return []rule{
		{kind: "github-token", keywords: []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}, expr: `gh[pousr]_[A-Za-z0-9_]{20,}`},
		{kind: "github-token", keywords: []string{"github_pat_"}, expr: `github_pat_\w{20,}`},
		{kind: "gitlab-token", keywords: []string{"glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-"}, expr: `gl[a-z]+-[\w.-]{15,}[\w-]`, judge: isScrambled},
		{kind: "anthropic-key", keywords: []string{"sk-ant-"}, expr: `sk-ant-[\w-]{16,}`},
		{kind: "openai-key", keywords: []string{"sk-proj-", "sk-svcacct-", "sk-admin-", "sk-or-v1-"}, expr: `sk-[\w-]{24,}`},
		{kind: "openai-key", keywords: []string{"sk-"}, expr: `sk-[\w-]{16,}`, edge: true, judge: isScrambled},
		{kind: "aws-access-key", keywords: []string{"akia", "abia", "acca"}, expr: `A(?:KIA|BIA|CCA)[A-Z0-9]{16,}`, edge: true},
		{kind: "aws-access-key", keywords: []string{"asia", "a3t"}, expr: `(?:ASIA|A3T[A-Z0-9])[A-Z0-9]{16,}`, edge: true, judge: hasDigit},
		{kind: "google-key", keywords: []string{"aiza"}, expr: `AIza[\w-]{30,}`, edge: true},
		{kind: "google-token", keywords: []string{"ya29."}, expr: `ya29\.[\w.-]{19,}[\w-]`, edge: true},
		{kind: "google-secret", keywords: []string{"gocspx-"}, expr: `GOCSPX-[\w-]{20,}`},
		{kind: "slack-token", keywords: []string{"xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xoxd-", "xoxc-", "xoxe.", "xapp-"}, expr: `(?i:xox[a-eoprs][-.]|xapp-)[\w.%/+-]{9,}[\w/+]`},
		{kind: "discord-token", keywords: []string{"bot "}, expr: `(?i:bot )([\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,})`, edge: true},
		{kind: "stripe-key", keywords: []string{"sk_live_", "rk_live_", "sk_test_", "rk_test_", "sk_prod_", "whsec_"}, expr: `(?:[rs]k_(?:live|test|prod)|whsec)_[A-Za-z0-9+/=]{10,}`},
		{kind: "npm-token", keywords: []string{"npm_"}, expr: `npm_[A-Za-z0-9]{30,}`},
		{kind: "pypi-token", keywords: []string{"pypi-"}, expr: `pypi-[\w-]{40,}`, judge: isScrambled},
		{kind: "huggingface-token", keywords: []string{"hf_", "api_org_"}, expr: `(?:hf|api_org)_[A-Za-z0-9]{24,}`, edge: true},
		{kind: "groq-key", keywords: []string{"gsk_"}, expr: `gsk_[A-Za-z0-9]{30,}`, edge: true},
		{kind: "xai-key", keywords: []string{"xai-"}, expr: `xai-[A-Za-z0-9]{40,}`, edge: true},
		{kind: "replicate-token", keywords: []string{"r8_"}, expr: `r8_[A-Za-z0-9]{30,}`, edge: true},
		{kind: "perplexity-key", keywords: []string{"pplx-"}, expr: `pplx-[A-Za-z0-9]{32,}`, edge: true},
		{kind: "figma-token", keywords: []string{"figd_"}, expr: `figd_[\w-]{20,}`},
		{kind: "tailscale-key", keywords: []string{"tskey-"}, expr: `tskey-[a-z]+-[A-Za-z0-9-]{12,}`},
		{kind: "supabase-key", keywords: []string{"sbp_", "sb_secret_"}, expr: `(?:sbp|sb_secret)_[\w-]{20,}`, edge: true},
		{kind: "digitalocean-token", keywords: []string{"dop_v1_", "doo_v1_", "dor_v1_"}, expr: `do[por]_v1_[a-f0-9]{32,}`},
		{kind: "sendgrid-key", keywords: []string{"sg."}, expr: `SG\.[\w-]{16,}\.[\w-]{16,}`, edge: true},
		{kind: "twilio-key", keywords: []string{"sk"}, expr: `SK[0-9a-f]{32}`, edge: true},
		{kind: "mailgun-key", keywords: []string{"key-"}, expr: `key-[0-9a-f]{32}`, edge: true},
		{kind: "mailchimp-key", keywords: []string{"-us"}, before: 32, expr: `[0-9a-f]{32}-us\d{1,2}`, edge: true},
		{kind: "shopify-token", keywords: []string{"shpat_", "shpca_", "shppa_", "shpss_"}, expr: `shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32,}`},
		{kind: "square-token", keywords: []string{"sq0atp-", "sq0csp-"}, expr: `sq0(?:atp|csp)-[\w-]{20,}`},
		{kind: "databricks-token", keywords: []string{"dapi"}, expr: `dapi[0-9a-f]{32,}(?:-\d)?`, edge: true},
		{kind: "vault-token", keywords: []string{"hvs.", "hvb.", "hvr."}, expr: `hv[sbr]\.[\w-]{20,}`, edge: true, judge: hasDigit},
		{kind: "vault-token", keywords: []string{"s."}, expr: `s\.[A-Za-z0-9]{24}`, edge: true, exactly: true, judge: func(s string) bool { return hasDigit(s) && breaks(s)*4 >= len(s) }},
		{kind: "terraform-token", keywords: []string{".atlasv1."}, before: 14, expr: `[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}`, edge: true},
		{kind: "doppler-token", keywords: []string{"dp.pt.", "dp.st.", "dp.ct.", "dp.sa."}, expr: `dp\.(?:pt|st|ct|sa)\.(?:\w+\.)?[\w-]{30,}`, edge: true},
		{kind: "grafana-token", keywords: []string{"glsa_", "glc_"}, expr: `gl(?:sa|c)_[A-Za-z0-9+/=_]{28,}`, edge: true},
		{kind: "linear-key", keywords: []string{"lin_api_", "lin_oauth_"}, expr: `lin_(?:api|oauth)_[A-Za-z0-9]{30,}`},
		{kind: "notion-token", keywords: []string{"ntn_", "secret_"}, expr: `(?:ntn_[A-Za-z0-9]{30,}|secret_[A-Za-z0-9]{40,})`, edge: true},
		{kind: "postman-key", keywords: []string{"pmak-"}, expr: `PMAK-[a-f0-9]{20,}-[a-f0-9]{30,}`},
		{kind: "newrelic-key", keywords: []string{"nrak-", "nraa-"}, expr: `NRA[AK]-[A-Z0-9]{24,}`},
		{kind: "sentry-token", keywords: []string{"sntrys_", "sntryu_"}, expr: `sntry[su]_[\w+/=-]{30,}`},
		{kind: "langsmith-key", keywords: []string{"lsv2_"}, expr: `lsv2_(?:pt|sk)_[a-f0-9_]{32,}`},
		{kind: "docker-token", keywords: []string{"dckr_pat_", "dckr_oat_"}, expr: `dckr_[po]at_[\w-]{20,}`},
		{kind: "rubygems-key", keywords: []string{"rubygems_"}, expr: `rubygems_[a-f0-9]{40,}`},
		{kind: "cloudflare-key", keywords: []string{"v1.0-"}, expr: `v1\.0-[a-f0-9]{16,}-[a-f0-9]{32,}`, edge: true},
		{kind: "atlassian-token", keywords: []string{"atatt3", "atctt3"}, expr: `AT[AC]TT3[\w=-]{40,}`},
		{kind: "age-key", keywords: []string{"age-secret-key-"}, expr: `(?i)AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]{30,}`},
		{kind: "jwt", keywords: []string{"eyj"}, expr: `eyJ[\w-]{8,}\.eyJ[\w-]{4,}\.[\w-]{8,}`, edge: true},
		{kind: "jwt", keywords: []string{"eyj"}, expr: `eyJ[\w-]{8,}\.[\w-]*\.[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}`, edge: true}, // encrypted
		{kind: "otp-seed", keywords: []string{"otpauth://"}, expr: `(?i)otpauth://(?:/?[^\s"'<>/])*?[?&]secret=([A-Z2-7=]{8,})`},
		{kind: "azure-key", keywords: []string{"accountkey=", "sharedaccesskey="}, expr: `(?i)(?:Account|SharedAccess)Key=([\w+/%-]{20,}=*)`},
		{kind: "azure-key", keywords: []string{"sig="}, expr: `(?i)sig=([\w%+/-]{24,}=*)`, edge: true},
	}
}
