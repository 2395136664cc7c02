package bridge

import (
	"encoding/hex"
	"strings"
	"time"
)

// maxName is the length of the longest name, in characters.
const maxName = 64

const nameAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// checkName refuses what cannot be the name of a member or agent. What does the naming is for the message: "the partner's name".
func (s *Service) checkName(what, name string) error {
	switch {
	case name == "" || len(name) > maxName || strings.Trim(name, nameAlphabet) != "":
		return Errorf(Invalid, "%s is not valid", what).WithHint("names have 1 to %d of the characters A-Z a-z 0-9 . _ -", maxName)
	case name == PersonName || name == ProgramName:
		return Errorf(Invalid, "%s cannot be %q", what, name).WithHint("that name is reserved for the human and the program; choose another")
	case s.door.secret(name):
		return Errorf(Invalid, "%s looks like a secret", what).WithHint("choose a name that is not a token or key")
	}
	return nil
}

// quote shows a name that came from outside in an error text, if it can be shown.
func (s *Service) quote(name string) string {
	if s.checkName("name", name) != nil && name != PersonName && name != ProgramName {
		return "one that is not a valid name"
	}
	return `"` + name + `"`
}

// newID makes an id nobody can guess: prefix and 16 hex digits.
func newID(prefix string) string { return prefix + hex.EncodeToString(randomBytes(8)) }

// stamp is a time as facts hold it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
