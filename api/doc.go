// Package api is the HTTP face of Tolem. openapi.yaml is the contract; every
// route of the server is in it, and the reverse.
//
// The API accepts payments, instalment orders and returns by committing one row to
// the ledger, starts their workflows, and answers questions from the ledger. It never
// moves a process by itself and never calls a partner except for look-ups that move no
// money: the catalogue, the agent's balance, the operator of a phone number, a bank's
// client, a guarantee letter.
//
// No problem, log line or metric carries an account, a phone number, a name, a
// token or a body. Answers to the caller who owns the data do.
package api
