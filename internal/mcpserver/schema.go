package mcpserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"agentbridge/internal/bridge"
)

// schema is the part of JSON Schema that the tools' arguments need; no object takes what it does not name. Every client's model
// reads it, and arguments are checked against the same text, so the two cannot differ.
type schema struct {
	Type       string             `json:"type"`
	Enum       []string           `json:"enum"`
	Minimum    *float64           `json:"minimum"` // with Maximum, or neither
	Maximum    *float64           `json:"maximum"`
	MinItems   int                `json:"minItems"`
	MaxItems   int                `json:"maxItems"`
	Items      *schema            `json:"items"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
}

// maxInteger is the largest whole number that JSON carries safely (RFC 8259, section 6).
const maxInteger = 1<<53 - 1

// parseSchema reads a schema of this package's own; it panics where there is none.
func parseSchema(text string) *schema {
	var s schema
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		panic(fmt.Sprintf("schema %s: %v", text, err))
	}
	return &s
}

// check refuses a value that does not fit, naming the argument at fault and never its value, which nobody looked through.
// show makes a name that came from outside fit to be shown.
func (s *schema) check(name string, v any, show func(string) string) error {
	switch s.Type {
	case "object":
		return s.checkObject(name, v, show)
	case "array":
		items, ok := v.([]any)
		switch {
		case !ok:
			return invalid(name, "must be a list")
		case len(items) < s.MinItems:
			return invalid(name, "must have at least %d", s.MinItems)
		case s.MaxItems > 0 && len(items) > s.MaxItems:
			return invalid(name, "has %d elements, and %d are allowed", len(items), s.MaxItems)
		}
		for i, item := range items {
			if err := s.Items.check(name+"["+strconv.Itoa(i)+"]", item, show); err != nil {
				return err
			}
		}
	case "integer":
		n, ok := v.(float64)
		if !ok || n != math.Trunc(n) {
			return invalid(name, "must be a whole number")
		}
		if s.Minimum != nil && n < *s.Minimum || s.Maximum != nil && n > *s.Maximum {
			return invalid(name, "must be from %v to %v", *s.Minimum, *s.Maximum)
		}
		if math.Abs(n) > maxInteger {
			return invalid(name, "is too large a number")
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return invalid(name, "must be true or false")
		}
	case "string":
		text, ok := v.(string)
		switch {
		case !ok:
			return invalid(name, "must be a text")
		case len(s.Enum) > 0 && !slices.Contains(s.Enum, text):
			return invalid(name, "must be one of: %s", strings.Join(s.Enum, ", "))
		}
	}
	return nil
}

func (s *schema) checkObject(name string, v any, show func(string) string) error {
	fields, ok := v.(map[string]any)
	if !ok {
		return invalid(name, "must be an object")
	}
	within := func(field string) string {
		if name == "" {
			return field
		}
		return name + "." + field
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		p, ok := s.Properties[field]
		if !ok {
			return bridge.Errorf(bridge.Invalid, "there is no argument %q", within(show(field))).WithHint("the arguments are: %s", s.names())
		}
		if fields[field] == nil { // null is left out: some clients fill in what a model did not give
			delete(fields, field)
			continue
		}
		if err := p.check(within(field), fields[field], show); err != nil {
			return err
		}
	}
	for _, field := range s.Required {
		if _, ok := fields[field]; !ok {
			return bridge.Errorf(bridge.Invalid, "argument %q is missing", within(field)).WithHint("the arguments are: %s", s.names())
		}
	}
	return nil
}

func (s *schema) names() string {
	return strings.Join(slices.Sorted(maps.Keys(s.Properties)), ", ")
}

func invalid(name, format string, args ...any) error {
	return bridge.Errorf(bridge.Invalid, "argument %q "+format, append([]any{name}, args...)...).
		WithHint("correct it and call again")
}
