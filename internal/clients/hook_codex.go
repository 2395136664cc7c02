package clients

// hookCodex is Codex 0.169.0. It refuses an output with a field that its schema for the event does not have: at the end of a turn
// there is no hookSpecificOutput.
var hookCodex = hookFormat{
	names: map[string]Event{
		"SessionStart":     SessionStart,
		"UserPromptSubmit": Prompt,
		"PostToolUse":      Tool,
		"Stop":             TurnEnd,
	},
	answer: func(event Event, name, words string) any {
		if event == TurnEnd {
			return hookDecision{"block", words}
		}
		return inContext(name, words)
	},
	most: 5,
}
