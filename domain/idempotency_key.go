package domain

import "strings"

// Unquoted is the key that an Idempotency-Key header's value holds. The header is a structured
// field whose value is a string (RFC 8941, section 3.3.3): "abc" is the key abc. Callers that
// send abc without quotes mean the same key. What is no such string, or holds nothing, a space,
// or a quoted string again, is the key as it stands.
func Unquoted(value string) string {
	if len(value) < 3 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	inner := value[1 : len(value)-1]
	if strings.HasPrefix(inner, `\"`) {
		return value
	}
	var key strings.Builder
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		if c == '\\' {
			if i++; i == len(inner) || inner[i] != '"' && inner[i] != '\\' {
				return value
			}
			c = inner[i]
		} else if c == '"' || c <= ' ' || c > '~' {
			return value
		}
		key.WriteByte(c)
	}
	return key.String()
}

// Quoted is a key as the string of a structured field: what Unquoted reads.
func Quoted(key string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
}
