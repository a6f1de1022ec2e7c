// Package command owns the life of a command, from the message on a /set topic to
// what the car confirms.
//
// In come messages, Volvo's answers, the ends of reads, what a process before this
// one left open, and the time. Out come effects, which somebody else executes:
// publish this status, write this to the journal, make this POST, read this
// resource at that time. The package has no clock, starts nothing beside itself, and
// touches no disk, no broker and no network, so that every order of events can be
// tried in a test.
package command
