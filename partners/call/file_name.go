package call

import (
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
)

// FileName reads the file's name in Content-Disposition (RFC 6266): filename* of RFC 8187 in
// any charset, before filename, quoted or as a token. Beside that it reads what servers
// write: a name of UTF-8 or Windows-1251 as it is, encoded words, and a name with spaces
// without quotes. It may hold a path; what cannot be read is "".
func FileName(disposition string) string {
	if !utf8.ValidString(disposition) {
		disposition, _ = charmap.Windows1251.NewDecoder().String(disposition) // every byte has a letter
	}
	if _, parameters, err := mime.ParseMediaType(disposition); err == nil && !extended(disposition) {
		return words(parameters["filename"])
	}
	plain := ""
	for _, parameter := range parameters(disposition) {
		name, value, _ := strings.Cut(parameter, "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "filename*":
			if decoded, ok := extendedValue(value); ok {
				return decoded
			}
		case "filename":
			if plain == "" {
				plain = words(unquoted(value))
			}
		}
	}
	return plain
}

// extended says that a name may be in filename*, of which package mime reads UTF-8 alone.
func extended(disposition string) bool {
	return strings.Contains(strings.ToLower(disposition), "filename*") && !strings.Contains(strings.ToLower(disposition), "filename*0")
}

// parameters parts a header at its semicolons outside of quotes.
func parameters(disposition string) (list []string) {
	quoted, escaped, from := false, false, 0
	for at := 0; at < len(disposition); at++ {
		switch c := disposition[at]; {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			list, from = append(list, disposition[from:at]), at+1
		}
	}
	return append(list, disposition[from:])
}

// extendedValue reads charset'language'value of RFC 8187.
func extendedValue(value string) (string, bool) {
	parts := strings.SplitN(unquoted(value), "'", 3)
	if len(parts) != 3 {
		return "", false
	}
	raw, err := url.PathUnescape(parts[2])
	if err != nil || raw == "" {
		return "", false
	}
	if strings.EqualFold(parts[0], "utf-8") {
		return raw, utf8.ValidString(raw)
	}
	charset, err := htmlindex.Get(parts[0])
	if err != nil {
		return "", false
	}
	decoded, err := charset.NewDecoder().String(raw)
	return decoded, err == nil
}

// unquoted takes quotes away, and the backslash from a quote or a backslash alone: servers
// write paths of Windows.
func unquoted(value string) string {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return strings.Trim(value, `"`)
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(value[1 : len(value)-1])
}

// words reads encoded words of RFC 2047; other text stays as it is.
func words(name string) string {
	decoder := mime.WordDecoder{}
	if decoded, err := decoder.DecodeHeader(name); err == nil {
		return decoded
	}
	return name
}
