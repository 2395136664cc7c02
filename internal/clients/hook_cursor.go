package clients

// hookCursor is Cursor, by its documentation of hooks; nobody ran it here. It gives a prompt's hook no place for words. The follow-up
// of the end of a turn becomes a message of the user's, and Cursor's own loop_limit ends them.
var hookCursor = hookFormat{
	names: map[string]Event{
		"sessionStart":       SessionStart,
		"beforeSubmitPrompt": Prompt,
		"postToolUse":        Tool,
		"stop":               TurnEnd,
	},
	answer: func(event Event, _, words string) any {
		switch event {
		case TurnEnd:
			return struct {
				Message string `json:"followup_message"`
			}{words}
		case SessionStart, Tool:
			return struct {
				Context string `json:"additional_context"`
			}{words}
		}
		return nil
	},
	most: 5,
}
