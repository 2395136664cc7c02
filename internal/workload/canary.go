package workload

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
)

// Shape is what a planted secret looks like.
type Shape string

// The shapes. Redaction knows each of them for a secret.
const (
	GitHubToken Shape = "github token"
	AWSKey      Shape = "aws key"
	WebToken    Shape = "web token"
	URLPassword Shape = "password in a url"
	Password    Shape = "password in a sentence"
	SplitToken  Shape = "token split by invisible characters"
	Environment Shape = "value of the environment" // known only because the program's own environment holds it
)

// Shapes are all of them.
var Shapes = []Shape{GitHubToken, AWSKey, WebToken, URLPassword, Password, SplitToken, Environment}

// NameShapes are those that fit into a name.
var NameShapes = []Shape{GitHubToken, AWSKey, Environment}

// HeaderShapes are those that fit into a line of HTTP.
var HeaderShapes = []Shape{GitHubToken, AWSKey, WebToken, URLPassword, Password, Environment}

// Canaries are invented secrets, each planted at one door of the program, and remembered to be looked for everywhere else. They differ
// from seed to seed and hold nothing of anybody's.
type Canaries struct {
	rng     *rand.Rand
	environ []string // values that are left to plant
	vars    []string
	planted []planted
	windows [maxWindow + 1]map[string]sight
}

type planted struct {
	door  string
	shape Shape
}

// sight is whose a window is, and in which form.
type sight struct {
	canary int
	form   string
}

// Leak is a piece of a planted secret, eight characters of it or more, where it should not be.
type Leak struct {
	Door  string
	Shape Shape
	Place string
	Form  string // raw, reversed, base64, …
	Text  string // what is around it; the secret is nobody's
}

func (l Leak) String() string {
	return fmt.Sprintf("%s (%s, %s) is in %s: %q", l.Door, l.Shape, l.Form, l.Place, l.Text)
}

// NewCanaries prepares canaries, so many of them of the shape [Environment].
func NewCanaries(seed uint64, environment int) *Canaries {
	c := &Canaries{rng: rand.New(rand.NewPCG(seed, 0xca9a))}
	for i := range environment {
		value := c.random(26, "abcdefghijklmnopqrstuvwxyz0123456789")
		c.environ = append(c.environ, value)
		c.vars = append(c.vars, fmt.Sprintf("CANARY_TOKEN_%d=%s", i, value))
	}
	return c
}

// Environ is what to add to the environment of every process of the program.
func (c *Canaries) Environ() []string { return slices.Clone(c.vars) }

// Plant makes a secret for a door and gives the text to pass in there. It is not safe for concurrent use.
func (c *Canaries) Plant(door string, shape Shape) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	secret := c.random(36, letters)
	text := ""
	switch shape {
	case AWSKey:
		secret = c.random(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
		text = "AKIA" + secret
	case WebToken:
		text = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI" + c.random(24, letters) + "." + secret + c.random(7, letters)
	case URLPassword:
		secret = secret[:20]
		text = "postgres://app:" + secret + "@db.example.com:5432/app"
	case Password:
		secret = secret[:18]
		text = "the password: " + secret
	case SplitToken:
		text = "ghp_" + secret[:12] + "\u200b" + secret[12:24] + "\x1b[0m" + secret[24:]
	case Environment:
		secret, c.environ = c.environ[0], c.environ[1:]
		text = secret
	default:
		text = "ghp_" + secret
	}
	c.remember(door, shape, secret)
	return text
}

// Planted is how many there are.
func (c *Canaries) Planted() int { return len(c.planted) }

// Doors are where canaries were planted, sorted.
func (c *Canaries) Doors() []string {
	var doors []string
	for _, p := range c.planted {
		doors = append(doors, p.door)
	}
	slices.Sort(doors)
	return slices.Compact(doors)
}

// piece is how many characters of a secret are a leak.
const piece = 8

// maxWindow is how long such a piece can be in any form: \u0041 for each character.
const maxWindow = 6 * piece

// remember files every piece of a secret in every form.
func (c *Canaries) remember(door string, shape Shape, secret string) {
	c.planted = append(c.planted, planted{door, shape})
	each := func(format string) func(string) string {
		return func(s string) string {
			var b strings.Builder
			for i := range len(s) {
				fmt.Fprintf(&b, format, s[i])
			}
			return b.String()
		}
	}
	backwards := []byte(secret)
	slices.Reverse(backwards)
	for i := range len(secret) - piece + 1 {
		s := secret[i : i+piece]
		c.file("raw", s)
		c.file("reversed", string(backwards[i:i+piece]))
		c.file("hex", hex.EncodeToString([]byte(s)))
		c.file("hex", strings.ToUpper(hex.EncodeToString([]byte(s))))
		c.file("url-encoded", url.QueryEscape(s))
		c.file("url-encoded", each("%%%02X")(s))
		c.file("json-escaped", each(`\u%04x`)(s))
	}
	// Whole groups of base64, wherever they begin: three bytes are four characters, and six are eight of them.
	for from := range 3 {
		whole := secret[from:]
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			text := encoding.EncodeToString([]byte(whole[:len(whole)/3*3]))
			for i := 0; i+12 <= len(text); i += 4 {
				c.file("base64", text[i:i+12])
			}
		}
	}
}

func (c *Canaries) file(form, window string) {
	in := c.windows[len(window)]
	if in == nil {
		in = map[string]sight{}
		c.windows[len(window)] = in
	}
	if _, ok := in[window]; !ok {
		in[window] = sight{len(c.planted) - 1, form}
	}
}

// Look searches a place, as it is in bytes, for every piece of every secret planted so far: raw, reversed, and in hex, base64 and the
// escapes of URLs and JSON. It gives one leak for a secret and form.
func (c *Canaries) Look(place string, data []byte) (leaks []Leak) {
	seen := map[sight]bool{}
	for width, in := range c.windows {
		if in == nil {
			continue
		}
		for i := range max(0, len(data)-width+1) {
			s, ok := in[string(data[i:i+width])]
			if !ok || seen[s] {
				continue
			}
			seen[s] = true
			p := c.planted[s.canary]
			leaks = append(leaks, Leak{p.door, p.shape, place, s.form, string(data[max(0, i-60):min(len(data), i+width+30)])})
		}
	}
	return leaks
}

func (c *Canaries) random(n int, of string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = of[c.rng.IntN(len(of))]
		if i%6 == 3 {
			b[i] = "234567"[c.rng.IntN(6)] // letters alone could be a word
		}
	}
	return string(b)
}
