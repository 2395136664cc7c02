package clients

// hookGemini is Gemini CLI 0.61.0: docs/hooks/reference.md in its package. The reason of a denied answer becomes the next prompt.
var hookGemini = hookFormat{
	names: map[string]Event{
		"SessionStart": SessionStart,
		"BeforeAgent":  Prompt,
		"AfterTool":    Tool,
		"AfterAgent":   TurnEnd,
	},
	answer: func(event Event, name, words string) any {
		if event == TurnEnd {
			return hookDecision{"deny", words}
		}
		return inContext(name, words)
	},
	most: 5,
}
