package bridge

import (
	"strings"
	"unicode/utf8"

	"agentbridge/internal/redact"
)

// door is where texts come in. Nothing that anybody wrote passes it unsanitised or unredacted, on the way to the store or into
// a log.
type door struct{ scanner *redact.Scanner }

// outside is the key of redaction marks in texts that belong to no conversation. It is of this process alone: under a key that
// others know, a mark in a log would tell whoever guesses a password that it is the one.
var outside = randomBytes(32)

// take lets a text of at most limit characters in: sanitised, its secrets masked under the conversation's key, and how many there
// were. What does the naming is for the message: "the message".
func (d door) take(key []byte, what, text string, limit int) (clean string, masked int, err error) {
	if !utf8.ValidString(text) {
		return "", 0, Errorf(Invalid, "%s is not valid UTF-8", what).WithHint("send text; for a binary file send its path in files_involved")
	}
	if n := utf8.RuneCountInString(text); n > limit {
		return "", 0, Errorf(Invalid, "%s has %d characters, and %d are allowed", what, n, limit).
			WithHint("put the text in a file that the partner can read and send its path, or send it in parts")
	}
	clean, found, err := d.scanner.Redact(key, text)
	if err != nil {
		// Not the scanner's own words: they could tell of the text.
		return "", 0, Errorf(Invalid, "%s could not be checked for secrets, so it was not taken", what).
			WithHint("send plain UTF-8 text in smaller parts")
	}
	return clean, len(found), nil
}

// output lets what a command wrote in. Zero bytes are left out, so that a secret in UTF-16 is seen as one. What cannot be checked for secrets
// is not taken.
func (d door) output(key []byte, text string) (clean string, masked int) {
	clean, found, err := d.scanner.Redact(key, strings.ReplaceAll(strings.ToValidUTF8(text, "�"), "\x00", ""))
	if err != nil {
		return "[REDACTED:unreadable]", 1
	}
	return clean, len(found)
}

// secret reports whether a text holds something that looks like a secret, or that cannot be checked.
func (d door) secret(text string) bool {
	_, found, err := d.scanner.Redact(outside, text)
	return err != nil || len(found) > 0
}

// Redact masks the secrets in a text that is no conversation's: an error, a log line, a client's name. What cannot be checked is
// replaced whole.
func (s *Service) Redact(text string) string {
	clean, _, err := s.door.scanner.Redact(outside, text)
	if err != nil {
		return "[REDACTED:unreadable]"
	}
	return clean
}
