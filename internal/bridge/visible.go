package bridge

import (
	"bytes"
	"encoding/json"

	"agentbridge/internal/redact"
)

// Visible gives JSON of which every string is as a bridge would have stored it: without what a terminal acts on and a reader cannot see,
// see [redact.Sanitise]. It is for answers of a bridge that is not this program's own: what is shown of them is only as good as whoever sent
// them. Answers of an honest bridge come out with the same values.
func Visible(answer json.RawMessage) (json.RawMessage, error) {
	if asciiOnly(answer) {
		return answer, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(visible(v))
}

func visible(v any) any {
	switch v := v.(type) {
	case string:
		return redact.Sanitise(v)
	case []any:
		for i := range v {
			v[i] = visible(v[i])
		}
	case map[string]any:
		clean := make(map[string]any, len(v))
		for name, value := range v {
			clean[redact.Sanitise(name)] = visible(value)
		}
		return clean
	}
	return v
}

// asciiOnly reports whether JSON can hold nothing but what ASCII shows, and ends of lines: so are most answers.
func asciiOnly(answer []byte) bool {
	for i, b := range answer {
		if b >= 0x7f || b == '\\' && i+1 < len(answer) && bytes.IndexByte([]byte("ubfr"), answer[i+1]) >= 0 {
			return false
		}
	}
	return true
}
