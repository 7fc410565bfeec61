// Package term is how garret's commands talk to people: passphrases come in,
// and sizes, durations, tables, a progress line and the names of files go out.
// File names are bytes that strangers chose: whatever shows one to a terminal
// passes it through Name first.
package term
