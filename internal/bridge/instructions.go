package bridge

import (
	"regexp"
	"slices"
	"strings"
)

// Instructions tells what in a text reads like instructions to a model, rather than like words between colleagues: each a phrase that
// goes on from "it", and none for ordinary talk. It is a hint to the reader of a frame. Nothing is refused by it, and who wants to get
// past it will: what keeps words from doing harm is that they have no authority.
func Instructions(text string) (found []string) {
	text = strings.ToLower(text)
	for from := 0; ; {
		to := min(len(text), from+window)
		for _, t := range telling {
			if slices.Contains(found, t.what) || !slices.ContainsFunc(t.words, func(w string) bool { return strings.Contains(text[from:to], w) }) {
				continue
			}
			part := text[from:to]
			if from > 0 && text[from-1] != '\n' {
				part = "…" + part // not the beginning of a line
			}
			if t.pattern.MatchString(part) {
				found = append(found, t.what)
			}
		}
		if to == len(text) {
			return found
		}
		from = to - overlapping
	}
}

// A text is looked at in windows, in bytes: patterns are fast on short texts, and no match worth telling is longer than what two windows
// share.
const (
	window      = 640
	overlapping = 240
)

// What a text can be caught at.
const (
	setsAside  = "tells you to set your instructions aside"
	plays      = "poses as another turn of your conversation"
	impostor   = "poses as the bridge or the person in charge"
	secretive  = "wants something kept from your user"
	rash       = "wants something done without asking"
	curious    = "asks for what you were given in confidence"
	callsTools = "holds what looks like a call of a tool"
	beacon     = "holds an image whose address carries data away"
)

// telling are the patterns, over lower case, in the order in which they are told. words are a quick look: without one of them the
// pattern cannot match.
var telling = []struct {
	what    string
	words   []string
	pattern *regexp.Regexp
}{
	{setsAside, []string{"ignore", "disregard", "forget", "override", "bypass", "drop", "abandon", "discard", "instruction: ", "instructions: ", "instructions for "}, regexp.MustCompile(
		`\b(?:ignore|disregard|forget|override|bypass|drop|abandon|discard)\s+(?:(?:all|any|every|everything|of|the|in|these|those|you|have|been|given)\s+){0,4}` +
			`(?:(?:your|my|our|previous|previously|prior|earlier|above|preceding|former|original|initial|existing|current|system|safety|developer|operator's|user's|other)\s+){1,3}` +
			`(?:(?:system|safety|given|set|developer)\s+)?(?:instructions?|prompts?|directives?|guidelines?|guardrails|rules|system message|messages? from your user)\b` +
			`|\b(?:ignore|disregard|forget)\s+(?:all|any|every)\s+(?:of\s+)?(?:the\s+)?(?:instructions?|directives?|guardrails)\b` +
			`|\b(?:ignore|disregard|forget)\s+(?:everything|anything|whatever|all|what)\s+(?:that\s+)?(?:your\s+)?(?:you\s+were|you\s+have\s+been|you've\s+been|user|i|we|they)\s+(?:has\s+|have\s+)?told\b` +
			`|\bnew\s+(?:system\s+)?instructions?(?:\s+for\s+(?:you|the\s+(?:ai|assistant|model|agent)))?\s*:\s*(?:you|from now|ignore|run|do|your)\b`)},
	{setsAside, []string{"you are n", "from now on", "developer mode", "jailbr"}, regexp.MustCompile(
		`\byou are now (?:dan\b|unrestricted|jailbroken|free of|in (?:developer|god|unrestricted|jailbreak) mode)|\byou are no longer (?:bound|restricted|limited|an? (?:ai|assistant))` +
			`|\bfrom now on,? you (?:obey|(?:are|will|must|shall|only) (?:obey|act as|answer|follow|my|a |an |only))|\benable (?:developer|god|jailbreak) mode\b`)},
	{plays, []string{"<|", "[inst]", "[/inst]", "sys>>", "<system", "</", "<assistant", "<developer", "<user", "human:", "assistant:", "system:", "developer:", "# system", "# user", "# assistant", "# human", "# developer"}, regexp.MustCompile(
		`(?m)<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id|begin_of_text)\|>|\[/?inst\]|<</?sys>>` +
			`|^\s*#{1,6}\s*(?:system|user|assistant|human|developer)(?:\s+(?:prompt|message|instructions?))?\s*:` +
			`|</?(?:system|assistant|developer|system[_-](?:prompt|message|reminder|instructions?)|user[_-](?:message|turn))>` +
			`|^\s*(?:human|assistant)\s*:\s+\S|^\s*(?:system|developer)\s*:\s+(?:you (?:are|must|will|have|may|should)|ignore|disregard|the user|new |from now|override)`)},
	{impostor, []string{"bridge", "rank", "person in charge", "up to the mark", "[message from", "[task added by"}, regexp.MustCompile(
		`\[\s*notice from the bridge|\bnotice from the bridge itself|\[\s*message from (?:"|the person)|\[\s*task added by|\beverything up to the mark [0-9a-z]` +
			`|\bmessage from the person in charge of this bridge|\b(?:i am|i'm|this is|speaking as|signed,?) the (?:person in charge|bridge itself|bridge speaking)` +
			`|\bthe person in charge (?:has |have )?(?:orders?|ordered|commands?|commanded|approved|approves|authori[sz]ed|says you|wants you|told me)|"?rank"?\s*[:=]?\s*"?(?:person|bridge)"?\s*[,:\]}]`)},
	{secretive, []string{"do not ", "don't ", "never ", "must not ", "without ", "keep ", "hide ", "conceal "}, regexp.MustCompile(
		`\b(?:do not|don't|never|must not|without) (?:tell|telling|inform|informing|notify|notifying|alert|alerting|mention(?:ing)? (?:this|it|any of this) to|reveal(?:ing)? (?:this|it) to|show(?:ing)? (?:this|it) to|letting) ` +
			`(?:your (?:user|human|operator|owner)\b|the (?:human|operator|person in charge|owner of this)\b|(?:the |any )?users?(?:\s+(?:about|of) (?:this|it)\b|\s+(?:anything|this|what you)\b|\s+know\b|\s*[.,;!]|\s*$|\s+and\b|\s+or\b|\s+that you\b))` +
			`|\b(?:keep|hide|conceal) (?:this|it|all of this|these steps|the change|what you (?:did|do))(?: a)?(?: secret| hidden)? from (?:the|your) (?:user|human|operator|owner|person in charge)`)},
	{rash, []string{"without ", "not ask", "'t ask", "never ask", "not wait", "'t wait", "never wait"}, regexp.MustCompile(
		`\b(?:run|execute|delete|remove|push|approve|install|send|post|merge|deploy|wipe|do|apply|commit|paste|call)\b[^.\n]*\bwithout (?:asking(?:\s+(?:me|for|your|the|any|first|questions|permission|anyone|anybody|back)|\s*[.,;!:]|\s*$)|confirming with|checking with (?:your|the) (?:user|human|person)|(?:your|the) (?:user|human|person)(?:'s| in charge's) (?:approval|consent|permission|knowledge))` +
			`|\b(?:do not|don't|never) (?:ask|wait) (?:(?:your|the) (?:user|human|person in charge|operator)|for (?:(?:your|the|any) )?(?:permission|confirmation|approval|user's))[^.\n]*(?:run|execute|just|go ahead|proceed|do it|[.!;,]|$)`)},
	{curious, []string{"system prompt", "system message", "initial instructions", "your ", ".ssh", ".aws", "id_rsa", "id_ed25519", ".env", "printenv", "$(env"}, regexp.MustCompile(
		`\b(?:reveal|print|show|repeat|output|paste|send|give|tell|reply with|quote|leak)\b (?:me |us |verbatim |back )?(?:your|the) (?:full |entire |hidden |whole |exact |complete )?(?:system prompt|system message|initial instructions|instructions you were given)` +
			`|\b(?:send|post|upload|paste|e?mail|forward|reply with|share|give|exfiltrate|leak|print|dump|hand over)\b[^.\n]*\byour (?:own |full |bridge )?(?:api[ _-]?keys?|credentials?|secrets?|(?:access |bridge |bearer |session )?tokens?|passwords?|private keys?|ssh keys?|environment variables|environment\b)` +
			`|\b(?:send|post|upload|paste|e?mail|forward|reply with|share|give|exfiltrate|leak|hand over)\b[^\n]*(?:~/\.ssh|~/\.aws|\bid_rsa\b|\bid_ed25519\b|contents? of (?:the |your )?\.env\b)` +
			`|\b(?:curl|wget|nc|ncat)\b[^\n]*(?:\$\((?:cat|env|printenv|base64)|@\S*(?:\.env\b|id_rsa|id_ed25519|credentials))|(?:\.ssh/id_|\.aws/credentials|\.env\b|printenv|\benv\b)[^\n]*\|\s*(?:base64[^\n]*\|\s*)?(?:curl|nc|ncat|wget)\b`)},
	{callsTools, []string{"<tool", "<function", "<invoke", "<parameter", "tool_use", "tool_result", "function_call", "tools/call", "antml"}, regexp.MustCompile(
		`</?(?:antml:)?(?:tool_use|tool_call|tool_result|function_calls?|function_results?|invoke|parameter name=)[\s>"]|<(?:antml:)?(?:invoke|parameter) name=|"type"\s*:\s*"(?:tool_use|tool_result|function_call)"|"method"\s*:\s*"tools/call"`)},
	{beacon, []string{"![", "<img"}, regexp.MustCompile(
		`!\[[^\]\n]*\]\(\s*<?https?://[^)\s]+\?[^)\s]*=(?:[^)&\s]{24,}|[^)\s]*(?:\{|\$|%7b|<))|<img[^>]+src\s*=\s*["']?https?://[^"'>\s]+\?[^"'>\s]*=(?:[^"'>&\s]{24,}|[^"'>\s]*(?:\{|\$|%7b))`)},
}
