package abs

import (
	"bytes"
	"encoding/binary"
	"net/url"
	"strings"

	"tolem/simulators/parts"
)

// Document is the scan of one contract.
type Document struct {
	FileName  string // Cyrillic
	MediaType string
	Content   []byte

	disposition string    // the header, in the spelling's own bytes
	around      [2]string // what padding behind the document begins and ends with
}

// Document is what the system holds for a contract, under its settings.
func (s *System) Document(contract string) Document { return document(s.Settings(), contract) }

func document(settings Settings, contract string) Document {
	r := chance("scan " + contract)
	spelling, format := one(r, spellings), one(r, []string{FormatPDF, FormatPDF, FormatPDF, FormatPDF, FormatTIFF})
	if settings.Spelling != "" {
		spelling = settings.Spelling
	}
	if settings.Format != "" {
		format = settings.Format
	}
	name := "ДБЗ " + strings.NewReplacer("/", "-", `\`, "-", `"`, "'").Replace(contract) + "." + format
	if settings.Spelling == "" && strings.Contains(windows1251(name), "?") {
		spelling = SpelledUTF8 // not every name can be spelled in every way
	}
	d := Document{FileName: name, disposition: disposition(spelling, name)}
	if format == FormatTIFF {
		d.MediaType, d.Content = "image/tiff", tiff(one(r, []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}), contract)
		return d
	}
	d.MediaType, d.Content = "application/pdf", parts.Page([]string{"Loan contract (DBZ) " + contract, "Scan of the core banking system"})
	end := d.Content[bytes.LastIndex(d.Content, []byte("startxref\n")):]
	d.around = [2]string{"%", "\n" + string(end)} // a comment; readers look for the end of the file
	return d
}

// disposition is the header Content-Disposition.
func disposition(spelling Spelling, name string) string {
	switch spelling {
	case SpelledRFC5987:
		return "attachment; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	case SpelledWindows1251:
		name = windows1251(name)
	}
	return `attachment; filename="` + name + `"`
}

// windows1251 encodes Russian; what the code page lacks, and Kazakh letters are among that,
// becomes a question mark.
func windows1251(text string) string {
	var out strings.Builder
	for _, c := range text {
		switch {
		case c < 0x80:
			out.WriteByte(byte(c))
		case c >= 'А' && c <= 'я':
			out.WriteByte(byte(c - 'А' + 0xc0))
		case c == 'Ё':
			out.WriteByte(0xa8)
		case c == 'ё':
			out.WriteByte(0xb8)
		case c == '№':
			out.WriteByte(0xb9)
		default:
			out.WriteByte('?')
		}
	}
	return out.String()
}

// tiff is a black and white image of 16 × 16 with the contract as its description (TIFF 6.0,
// baseline).
func tiff(order binary.AppendByteOrder, contract string) []byte {
	mark := "II"
	if order == binary.BigEndian {
		mark = "MM"
	}
	const ascii, short, long, rational = 2, 3, 4, 5
	description := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, "DBZ "+contract) + "\x00"
	fields := [][4]uint32{ // tag, type, count, value
		{256, short, 1, 16}, {257, short, 1, 16}, {258, short, 1, 1}, {259, short, 1, 1}, {262, short, 1, 1},
		{270, ascii, uint32(len(description)), 0}, {273, long, 1, 0}, {277, short, 1, 1}, {278, short, 1, 16}, {279, long, 1, 32},
		{282, rational, 1, 0}, {283, rational, 1, 0}, {296, short, 1, 2},
	}
	end := uint32(8 + 2 + 12*len(fields) + 4)
	place := map[uint32]uint32{282: end, 283: end, 273: end + 8, 270: end + 40}
	file := order.AppendUint32(order.AppendUint16([]byte(mark), 42), 8)
	file = order.AppendUint16(file, uint16(len(fields)))
	for _, f := range fields {
		file = order.AppendUint16(order.AppendUint16(file, uint16(f[0])), uint16(f[1]))
		file = order.AppendUint32(file, f[2])
		switch at, placed := place[f[0]]; {
		case placed:
			file = order.AppendUint32(file, at)
		case f[1] == short: // stands at the left of its four bytes
			file = order.AppendUint16(order.AppendUint16(file, uint16(f[3])), 0)
		default:
			file = order.AppendUint32(file, f[3])
		}
	}
	file = order.AppendUint32(file, 0)                           // no second image
	file = order.AppendUint32(order.AppendUint32(file, 300), 1)  // dots per inch
	file = append(file, bytes.Repeat([]byte{0xaa, 0x55}, 16)...) // a raster
	return append(file, description...)
}
