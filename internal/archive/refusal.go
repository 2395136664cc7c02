package archive

import "fmt"

// Kind is why rows cannot be loaded, an error itself for use with [errors.Is].
type Kind string

// The kinds.
const (
	Held    Kind = "the store holds something already"
	Unknown Kind = "the rows are of another version of agentbridge"
)

func (k Kind) Error() string { return string(k) }

// Foreign refuses a table that the program does not know so.
func Foreign(t Table) error { return fmt.Errorf("%w: its table %s is another", Unknown, t.Name) }
