// Package faulty makes any backend fail, for tests of what is built on one.
//
// Backend passes every operation on to the one it decorates, after its rules
// have been asked. A rule sees the Call and may return a Fault. Rules are
// functions, so a test can write its own, one that never fails anything but
// lets something else happen just before the 17th operation, for example.
//
//	b := faulty.New(mem.New())
//	b.StopAfter(17, faulty.Changes)         // 17 more puts and deletes, then dead
//	b.FailAt(3, faulty.Put, faulty.Fault{Err: backend.ErrFull})
//	b.FailIf(func(c faulty.Call) bool { return c.Name == "config.1" }, fault)
//	b.SetCapacity(1 << 20)                  // then backend.ErrFull
//	b.FlipBit("packs/3f/3f09…e1", 8*4711)   // in all that is read of it
//	b.SetLatency(time.Millisecond)
//
// After a stop everything fails with ErrStopped, as if the process were dead.
// To open the same storage again like the next process, decorate or use what
// is inside.
//
// A put is atomic: a fault lets it happen or not, and there is no torn object.
// What happens below an atomic put is package powercut's.
package faulty
