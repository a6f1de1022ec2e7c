// Package entity holds the table that joins Volvo's readings and Home Assistant's
// entities, one row an entity, and what follows from it.
//
// In come readings, by resource; [Car] keeps them. Out go the state document, the
// attributes, the discovery message, what is unknown or can't be, and the tables of
// the documents. Adding an entity is adding a row to the table in entities.go.
//
// It is pure: no clock, no files, no goroutines; the time is an argument.
package entity
