// Package corpus makes texts with secrets in them and texts without, and measures a scanner by them.
//
// No secret is written down here, or scanners would flag the repository: each is invented when it is needed, with the shape
// of its kind. A seed makes the same corpus every time, and another seed makes other values in the same texts.
package corpus

// A Case is one text that an agent might write.
type Case struct {
	Kind    string   // of a secret: what it is, "github-pat"; of a clean text: what the text is, "go-code"
	Text    string   // valid for redact.Redact
	Secrets []string // what a reader must not learn, each a part of the sanitised Text; none: that must stay as it is
}

// A Corpus is what one author thought of.
type Corpus struct {
	Name  string
	Cases []Case
}
