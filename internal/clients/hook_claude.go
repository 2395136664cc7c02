package clients

// hookClaude is Claude Code 2.1.330. Its schemas are in its program; see testdata/hooks/schemas.json.
//
// At the end of a turn additionalContext would be accepted as well, but decision and reason say what is meant in the words that other
// clients know, too. The client overrides a hook that blocks eight times in a row, and says so to its user; we end before that.
var hookClaude = hookFormat{
	names: map[string]Event{
		"SessionStart":     SessionStart,
		"UserPromptSubmit": Prompt,
		"PostToolUse":      Tool,
		"PostToolBatch":    Tool,
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
