package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"agentbridge/internal/bridge"
)

// A person is whoever sits at the controlling terminal. All that they are asked and told goes through it and never through stdin or stdout,
// which a tool may hold.
type person struct {
	tty   *os.File
	was   *term.State
	line  *term.Terminal
	width int // columns of the terminal; 0: it does not say
	stop  func() bool
}

// person finds whoever sits at the terminal; without one that is [bridge.Denied]. leave gives the terminal back.
func (p *program) person(ctx context.Context, verb string) (*person, error) {
	none := bridge.Errorf(bridge.Denied, "%s is for a person, and there is no terminal", verb).WithHint("type it in a terminal yourself; it is not for agents or scripts")
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, none
	}
	var was *term.State
	control(tty, func(fd int) { was, err = term.MakeRaw(fd) })
	if err != nil || was == nil {
		tty.Close()
		return nil, none
	}
	p.out.Flush()
	signal.Ignore(syscall.SIGHUP) // a terminal that closes answers nothing, which the next question finds out
	h := &person{tty: tty, was: was, line: term.NewTerminal(tty, "")}
	h.size()
	h.stop = context.AfterFunc(ctx, func() { tty.SetReadDeadline(time.Unix(1, 0)) })
	return h, nil
}

func (h *person) size() {
	var width, height int
	control(h.tty, func(fd int) { width, height, _ = term.GetSize(fd) })
	if width > 0 {
		h.line.SetSize(width, height)
		h.width = width
	}
}

// forget drops what was typed until now: it answers nothing that is asked from now on.
func (h *person) forget() {
	h.line = term.NewTerminal(h.tty, "") // the old one may hold the beginning of a line, and further lines
	h.size()
	control(h.tty, dropTyped)
}

// control does something with a terminal's descriptor. File.Fd would turn off its deadlines, by which the end of ctx ends a question.
func control(tty *os.File, do func(fd int)) {
	if raw, err := tty.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}

func (h *person) leave() {
	h.stop()
	control(h.tty, func(fd int) { term.Restore(fd, h.was) })
	h.tty.Close()
}

// say shows a line. What is in it cannot move the cursor, nor begin a line of the terminal by being long.
func (h *person) say(format string, args ...any) {
	fmt.Fprintln(h.line, folded(plain(fmt.Sprintf(format, args...)), h.width))
}

// ask asks for a line, secret for one that is not shown. That the terminal is gone, or the person gave up, is [bridge.Denied].
func (h *person) ask(prompt string) (string, error) {
	h.line.SetPrompt(prompt)
	defer h.line.SetPrompt("")
	return h.answer(h.line.ReadLine())
}

func (h *person) secret(prompt string) (string, error) {
	return h.answer(h.line.ReadPassword(prompt))
}

func (h *person) answer(text string, err error) (string, error) {
	if err != nil && err != term.ErrPasteIndicator {
		return "", bridge.Errorf(bridge.Denied, "nobody answered at the terminal").WithHint("nothing was done; type it again")
	}
	return strings.TrimSpace(text), nil
}

// plain shows what cannot be seen, but for line ends.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// goesOn begins what a terminal shows of a line that is too long for it. No line of ours begins so: a long text of an agent could otherwise
// have a terminal's next line begin with words that look like ours.
const goesOn = "    … "

// folded breaks lines that are longer than a terminal with that many columns shows in one.
func folded(text string, width int) string {
	if width < 2*len(goesOn) {
		return text
	}
	var b strings.Builder
	at := 0
	for _, r := range text {
		columns := 1
		if r >= 0x1100 { // may be shown in two
			columns = 2
		}
		switch {
		case r == '\n':
			at, columns = 0, 0
		case at+columns >= width:
			b.WriteString("\n" + goesOn)
			at = utf8.RuneCountInString(goesOn)
		}
		b.WriteRune(r)
		at += columns
	}
	return b.String()
}
