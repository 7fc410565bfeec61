// Package backendtest tests backends and what is built on them.
//
// Run is the conformance suite: what package backend promises, said in tests.
// Every backend runs it.
//
// Crash interrupts any work on a repository at every point where that can make
// a difference: Stops between its changes to the storage, as when the process
// is killed, PowerCuts between the calls that a local backend makes for them.
//
//	backendtest.Crash{
//		Prepare: func(b backend.Backend) error { return initRepository(b) },
//		Work:    func(b backend.Backend) error { return snapshot(b) },
//		Check:   func(t *testing.T, left backend.Backend) { … },
//	}.Stops(t)
package backendtest
