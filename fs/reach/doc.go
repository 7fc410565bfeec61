// Package reach tells which blobs a stored tree needs, by path and range: what a
// collector must keep, what a check must find, what a repair must say is lost.
//
// It trusts a tree no more than package view does: pages are checked against
// what their parents say of them. A tree can refer to the same page many times
// (directories that are equal do so honestly; forged ones can be 2^40 entries
// in 40 pages), so the caller marks the pages that were seen, over many
// snapshots if it likes, and each is walked once.
package reach
