// Package parts is what every simulated partner is built from: a journal of its books,
// gates that hold requests, ways for an answer to go wrong on the wire, a page of PDF, and
// a control API that says which field is wrong. It knows no partner.
package parts
