package mount

import (
	"runtime/debug"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// worker serves one request at a time, in memory of its own.
type worker struct {
	c       *connection
	in, out []byte
	mapped  []byte // what both lie in, outside of the heap
	vector  [][]byte
	reply   fuse.OutHeader
}

func newWorker(c *connection) *worker {
	// Outside of the heap, what is not touched takes no memory, however often
	// workers come and go.
	both, err := unix.Mmap(-1, 0, 2*bufferSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return &worker{c: c, in: make([]byte, bufferSize), out: make([]byte, bufferSize)}
	}
	return &worker{c: c, in: both[:bufferSize:bufferSize], out: both[bufferSize:], mapped: both}
}

// close frees the worker's memory.
func (w *worker) close() {
	if w.mapped != nil {
		_ = unix.Munmap(w.mapped)
	}
}

// header returns the request's header.
func (w *worker) header() *fuse.InHeader { return (*fuse.InHeader)(unsafe.Pointer(&w.in[0])) }

// run leads, is led, and leads again until the connection ends.
func (w *worker) run() {
	defer w.close()
	c := w.c
	for {
		n, err := c.read(w.in)
		if err != nil {
			if err != unix.ENODEV {
				c.f.log.Error("the connection to the kernel is lost", "error", err)
			}
			c.end()
			return
		}
		unique := w.header().Unique
		c.leading.Store(unique)
		w.request(n)
		if c.leading.CompareAndSwap(unique, 0) {
			continue // it still leads
		}
		if !w.wait() {
			return
		}
	}
}

// wait waits for the lead. It returns false when there is nothing to wait for.
func (w *worker) wait() bool {
	lead := make(chan struct{})
	w.c.mu.Lock()
	gone := w.c.gone
	queued := false
	if !gone {
		select {
		case w.c.spare <- lead:
			queued = true
		default: // enough of them wait
		}
	}
	w.c.mu.Unlock()
	if !queued {
		return false
	}
	<-lead
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	return !w.c.gone
}

// request serves a request of n bytes.
func (w *worker) request(n int) {
	h := w.header()
	switch {
	case h.Opcode == opRead && n >= int(unsafe.Sizeof(fuse.ReadIn{})):
		w.read((*fuse.ReadIn)(unsafe.Pointer(h)))
	case h.Opcode == opInterrupt && n >= headerSize+8 &&
		w.c.interrupt(*(*uint64)(unsafe.Pointer(&w.in[headerSize]))):
	case h.Opcode == opReadDirPlus && n >= int(unsafe.Sizeof(fuse.ReadIn{})):
		w.readDirPlus((*fuse.ReadIn)(unsafe.Pointer(h)))
	default:
		w.delegate(n)
	}
}

// delegate has go-fuse serve a request.
func (w *worker) delegate(n int) {
	unique := w.header().Unique
	answered, status := w.c.protocol.HandleRequest([][]byte{w.in[:n]}, [][]byte{w.out})
	switch {
	case !status.Ok():
		w.fail(unique, status)
	case answered > 0:
		w.send(w.out[:answered])
	}
}

// readDirPlus serves a READDIRPLUS, which lists a directory with the attributes of its
// entries.
func (w *worker) readDirPlus(in *fuse.ReadIn) {
	f := w.c.f
	s := f.walks.take(in)
	l := f.listedAhead(in, s)
	if l == nil {
		l = newListing(w.out, in)
		status := f.guard(func() fuse.Status {
			ctx := f.begin(&in.InHeader)
			defer ctx.end()
			return f.readDir(ctx, in, l)
		})
		if !status.Ok() {
			w.fail(in.Unique, status)
			return
		}
	}
	w.send(l.answer(in.Unique))
	switch {
	case l.count == 0:
		w.afterwards(in.Unique, f.endOfList(in.NodeId))
	case !f.isSynthetic(in.NodeId):
		f.guard(func() fuse.Status {
			f.walkOn(in, l, s)
			return fuse.OK
		})
	}
}

// afterwards does what a request leads to when it has been answered, if that is
// not nil. It may wait for locks that requests hold which are still to be read.
func (w *worker) afterwards(unique uint64, do func()) {
	if do == nil {
		return
	}
	w.c.handOff(unique)
	w.c.f.guard(func() fuse.Status {
		do()
		return fuse.OK
	})
}

// read serves a READ.
func (w *worker) read(in *fuse.ReadIn) {
	unique := in.Unique
	w.c.reads.Add(1)
	if in.Size > inlineRead {
		w.c.handOff(unique)
	}
	var a *answer
	status := w.c.f.guard(func() (status fuse.Status) {
		a, status = w.c.f.read(in)
		return status
	})
	if !status.Ok() {
		w.fail(unique, status)
		return
	}
	w.reply = fuse.OutHeader{Length: uint32(int(unsafe.Sizeof(w.reply)) + a.size), Unique: unique}
	w.vector = append(append(w.vector[:0], unsafe.Slice((*byte)(unsafe.Pointer(&w.reply)), unsafe.Sizeof(w.reply))), a.pieces...)
	w.send(w.vector...)
	clear(w.vector)
	a.loan.Return()
	w.afterwards(unique, a.after)
}

// fail answers with an error.
func (w *worker) fail(unique uint64, status fuse.Status) {
	w.reply = fuse.OutHeader{Length: uint32(unsafe.Sizeof(w.reply)), Status: -int32(status), Unique: unique}
	w.send(unsafe.Slice((*byte)(unsafe.Pointer(&w.reply)), unsafe.Sizeof(w.reply)))
}

// send writes an answer. That nobody waits for it any more, or that the
// connection is gone, is no error: the next read tells.
func (w *worker) send(pieces ...[]byte) {
	err := retryEINTR(func() error {
		_, err := unix.Writev(w.c.fd, pieces)
		return err
	})
	if err != nil && err != unix.ENOENT && err != unix.ENODEV {
		w.c.f.log.Error("an answer could not be given to the kernel", "error", err)
	}
}

// guard returns what do returns, or EIO if it panics: a fault of the program ends
// one request, not the mount.
func (f *fileSystem) guard(do func() fuse.Status) (status fuse.Status) {
	defer func() {
		if reason := recover(); reason != nil {
			status = f.panicked(reason)
		}
	}()
	return do()
}

// panicked logs that the program is at fault.
func (f *fileSystem) panicked(reason any) fuse.Status {
	f.log.Error("a request could not be served: the program is at fault", "panic", reason, "stack", string(debug.Stack()))
	return fuse.EIO
}
