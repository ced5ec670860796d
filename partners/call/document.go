package call

import "bytes"

// PDFMarkerWithin is how many of a file's first bytes may hold the marker of a PDF: readers
// take one behind a byte order mark, a line end or a printer's header (PDF Reference 1.7,
// appendix H, note 13).
const PDFMarkerWithin = 1024

// IsPDF says whether a file is a PDF, by its first bytes.
func IsPDF(file []byte) bool {
	return bytes.Contains(file[:min(len(file), PDFMarkerWithin)], []byte("%PDF-"))
}
