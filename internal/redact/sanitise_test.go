package redact

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSanitise(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "plain text\twith\nlines", "plain text\twith\nlines"},
		{"other scripts", "Grüße, 世界, नमस्ते, שלום", "Grüße, 世界, नमस्ते, שלום"},
		{"line ends", "a\r\nb\rc\u0085d\u2028e\u2029f\r", "a\nb\nc\nd\ne\nf\n"},
		{"C0", "a\x01b\x07c\x08d\x0be\x0cf\x7fg", "abcdefg"},
		{"C1", "a\u0080b\u0084c", "abc"},
		{"colours", "\x1b[1;31mred\x1b[0m", "red"},
		{"private parameters", "\x1b[?25lx\x1b[>4;2m", "x"},
		{"CSI in C1", "\u009b31mred\u009bm", "red"},
		{"title, BEL", "\x1b]0;title\x07text", "text"},
		{"title, ST", "\x1b]0;title\x1b\\text", "text"},
		{"OSC in C1", "\u009d0;title\u009ctext", "text"},
		{"hyperlink", "\x1b]8;;https://a.test/\x1b\\link\x1b]8;;\x1b\\", "link"},
		{"DCS, SOS, PM, APC", "\x1bPq\x1b\\a\x1bXq\x1b\\b\x1b^q\x1b\\c\x1b_q\x1b\\d", "abcd"},
		{"charset", "\x1b(Btext", "text"},
		{"two bytes", "\x1b7a\x1b8\x1bc\x1bM", "a"},
		{"an unterminated string keeps its text", "\x1b]0;all the rest\nand more", "0;all the rest\nand more"},
		{"a lone escape takes no text along", "\x1bghp\x1b", "ghp"},
		{"cut off", "text\x1b[3", "text"},
		{"escapes made of escapes", "\x1b\x1b[31[31mm", "31mm"},
		{"bidi", "a\u202eb\u202cc\u2066d\u2069e\u200ef\u200fg\u061ch", "abcdefgh"},
		{"zero width", "a\u200bb\u2060c\ufeffd\u00ade\u180ef\u034fg", "abcdefg"},
		{"joiners split ASCII", "a\u200db\u200cc\ufe0fd", "abcd"},
		{"joiners in emoji", "👩\u200d💻 ❤\ufe0f\u200d🔥 👨\u200d👩\u200d👧", "👩\u200d💻 ❤\ufe0f\u200d🔥 👨\u200d👩\u200d👧"},
		{"joiners in scripts", "می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"},
		{"no message in joiners", "é\u200d\u200c\u200d\u200dx\u4e16\ufe00\ufe01\ufe02", "é\u200dx\u4e16\ufe00"},
		{"tags", "hi\U000e0048\U000e0049\U000e007f", "hi"},
		{"variation selectors supplement", "hi\U000e0100\U000e01ef", "hi"},
		{"private use", "a\ue000b\uf8ffc\U000f0000d\U0010fffde", "abcde"},
		{"noncharacters", "a\ufdd0b\ufffec\uffffd\U0001fffee", "abcde"},
		{"Hangul fillers", "a\u115fb\u3164c\uffa0d", "abcd"},
		{"the replacement character stays", "a\ufffdb", "a\ufffdb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Sanitise(tt.in)
			if got != tt.want {
				t.Errorf("Sanitise(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if again := Sanitise(got); again != got {
				t.Errorf("Sanitise(%q) = %q, want it unchanged", got, again)
			}
		})
	}
}

func TestSanitise_KeepsNothingUnseen(t *testing.T) {
	for r := rune(1); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) || isLineEnd(r) {
			continue
		}
		got := Sanitise("a" + string(r) + "b")
		if seen := keeps('a', r); seen && got != "a"+string(r)+"b" || !seen && strings.ContainsRune(got, r) {
			t.Errorf("Sanitise with %U gave %q", r, got)
		}
	}
	for i := 1; i < len(unseen); i++ {
		if unseen[i].first <= unseen[i-1].last {
			t.Errorf("unseen is not sorted at %U", unseen[i].first)
		}
	}
}

func TestSanitise_CopiesNothingThatIsClean(t *testing.T) {
	text := strings.Repeat("plain text, mit Umlauten: äöü 👩\u200d💻\n", 100)
	if n := testing.AllocsPerRun(10, func() { Sanitise(text) }); n != 0 {
		t.Errorf("Sanitise of clean text allocates %v times, want 0", n)
	}
}

func TestValid(t *testing.T) {
	for text, want := range map[string]bool{"": true, "ä\n": true, "\x1b": true, "a\x00": false, "\xc3": false, "\xed\xa0\x80": false} {
		if Valid(text) != want {
			t.Errorf("Valid(%q) = %v, want %v", text, !want, want)
		}
	}
}
