// Package login keeps an account logged in at Volvo ID: a chain of refresh tokens, each
// good for one refresh, and the ways in which a person logs in.
//
// In come the store's token, Volvo's answers, and what a person pasted. Out go access
// tokens, as [Chain] is a volvo.TokenSource, addresses to log in at, and events.
//
// A rotated token is made durable in Chain.replace, before it is used; without a mark
// on the disk, written by Chain.mark, Volvo is not asked at all.
package login
