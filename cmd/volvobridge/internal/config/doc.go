// Package config owns the configuration. In come a file and the environment; out come
// the values, and every problem of the file at once, each with its line, its key and
// what to do.
package config
