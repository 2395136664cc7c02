package redact

import (
	"regexp"
	"strings"
)

var (
	keyHeader = regexp.MustCompile(`\A-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----`)
	keyFooter = regexp.MustCompile(`\A-----END[A-Z0-9 ]{0,40}-----`)

	// keyLine is a line of a key's body, or one of the headers that RFC 1421 and RFC 9580 put before it. It may be quoted,
	// indented, a comment or part of a diff, and line ends may be escaped. Short lines could be words, so only the last
	// line of a text that breaks off may be short.
	keyLine = regexp.MustCompile(`\A(?:\s|\\+[nrt]|[>#|*+"',\\]|//)*(?:` +
		`(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|MessageID): [^\n\\]{0,80}|=?[A-Za-z0-9+/=]{16,}|=[A-Za-z0-9+/]{4}\b|[A-Za-z0-9+/=]{1,15}\s*\z)`)
	keyBase64 = regexp.MustCompile(`[A-Za-z0-9+/=]{16}`)
)

// privateKey finds a PEM or PGP private key block, header and footer included. Of a block without a footer it takes what
// looks like a key's body; of one that is only talked about, nothing.
func privateKey(text string, at, _ int) (int, int, bool) {
	header := keyHeader.FindString(text[at:])
	if header == "" {
		return 0, 0, false
	}
	body := at + len(header)
	// A key's body has no five dashes, so they end the block or, if it is cut off, belong to something else. A further
	// header bounds the search, which keeps it linear.
	if i := strings.Index(text[body:], "-----"); i >= 0 && keyBase64.MatchString(text[body:body+i]) {
		if footer := keyFooter.FindString(text[body+i:]); footer != "" {
			return at, body + i + len(footer), true
		}
	}
	stop := body
	for {
		line := keyLine.FindString(text[stop:])
		if line == "" {
			break
		}
		stop += len(line)
	}
	if !keyBase64.MatchString(text[body:stop]) {
		return 0, stop, false
	}
	return at, stop, true
}
