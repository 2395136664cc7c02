package cli

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"agentbridge/internal/bridge"
)

// badFlag says in our words what the command line's parser found wrong with a flag.
func badFlag(cmd *cobra.Command, err error) error {
	say := func(format string, args ...any) *bridge.Error {
		return bridge.Errorf(bridge.Invalid, format, args...).WithHint("see %s --help", cmd.CommandPath())
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if cmd.HasSubCommands() { // a mistyped command comes here first, with flags that the right one has
			if err := noCommand(cmd, cmd.Flags().Args()); err != nil {
				return err
			}
		}
		name := e.GetSpecifiedName()
		if e.GetSpecifiedShortnames() != "" {
			return say("%s has no flag -%s", cmd.CommandPath(), name)
		}
		out := say("%s has no flag --%s", cmd.CommandPath(), name)
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest(name, names); near != "" {
			return out.WithHint("did you mean --%s?", near)
		}
		return out
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return say("--%s has no value", e.GetFlag().Name)
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		flag, value := e.GetFlag().Name, e.GetValue()
		if own, ok := errors.AsType[*bridge.Error](err); ok {
			return bridge.Errorf(bridge.Invalid, "--%s: %s", flag, own.Message).WithHint("%s", own.Hint)
		}
		switch kind := e.GetFlag().Value.Type(); {
		case errors.Is(err, strconv.ErrRange):
			return say("--%s: %s is too far from 0", flag, value)
		case strings.HasPrefix(kind, "int"):
			return say("--%s: %q is not a whole number", flag, value)
		case kind == "bool":
			return bridge.Errorf(bridge.Invalid, "--%s: %q is neither true nor false", flag, value).WithHint("write --%s alone for yes", flag)
		}
	}
	return say("%w", err)
}

// exclusive says in our words that flags were given which exclude each other; nil if err is about something else.
func exclusive(err error) error {
	if !strings.HasPrefix(err.Error(), "if any flags in the group [") {
		return nil
	}
	_, given, ok := strings.Cut(err.Error(), "none of the others can be; [")
	given, _, closed := strings.Cut(given, "]")
	if names := strings.Fields(given); ok && closed {
		return bridge.Errorf(bridge.Invalid, "--%s exclude each other", strings.Join(names, " and --")).WithHint("give one of them")
	}
	return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("see agentbridge --help")
}
