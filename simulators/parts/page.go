package parts

import (
	"bytes"
	"fmt"
)

// Page is a PDF document of one page of text. Characters beyond ASCII become question marks:
// the one font that every reader has brings no others.
func Page(lines []string) []byte {
	var text bytes.Buffer
	text.WriteString("BT /F1 12 Tf 72 770 Td 18 TL\n")
	for _, line := range lines {
		text.WriteByte('(')
		for _, c := range line {
			switch {
			case c == '(' || c == ')' || c == '\\':
				text.WriteByte('\\')
			case c < ' ' || c > '~':
				c = '?'
			}
			text.WriteRune(c)
		}
		text.WriteString(") Tj T*\n")
	}
	text.WriteString("ET")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", text.Len(), text.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var pdf, table bytes.Buffer
	pdf.WriteString("%PDF-1.4\n")
	for i, object := range objects {
		fmt.Fprintf(&table, "%010d 00000 n \n", pdf.Len())
		fmt.Fprintf(&pdf, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := pdf.Len()
	fmt.Fprintf(&pdf, "xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, table.String(), len(objects)+1, start)
	return pdf.Bytes()
}
