package mount

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// connection reads the kernel's requests and answers them.
//
// One worker leads: it reads a request and serves it at once. Two that take
// turns would have to wake each other for every request, which takes longer than
// most requests do. A worker that is about to wait, or has much to do, hands the
// lead over first, by [connection.handOff]; so everybody else's requests are read
// meanwhile, and the kernel may have as many under way as it likes.
//
// READ is served here, without a copy. For all other requests go-fuse knows the
// protocol (fuse.ProtocolServer).
type connection struct {
	f        *fileSystem
	fd       int
	protocol *fuse.ProtocolServer
	minor    uint32       // of the kernel's protocol version
	reads    atomic.Int64 // READs, each of which somebody has waited for

	leading atomic.Uint64 // the request that the leader serves; 0: it is reading, or has handed over
	workers sync.WaitGroup
	spare   chan chan struct{} // workers that wait for the lead

	mu      sync.Mutex
	waiting map[uint64]*request // those that may take long, by number
	gone    bool                // the kernel has ended the connection
}

// Numbers of requests (linux/fuse.h) that go-fuse has no names for.
const (
	opRead      = 15
	opInit      = 26
	opInterrupt = 36
)

const (
	headerSize = int(unsafe.Sizeof(fuse.InHeader{}))
	// bufferSize is what the kernel wants to be able to write at once, and of
	// what go-fuse wants to be able to answer. Little of it is ever touched.
	bufferSize = maxRequest + 64<<10
	// inlineRead is the longest READ, bytes, that is answered by the leader
	// itself: copying more takes as long as waking another.
	inlineRead = 128 << 10
	maxSpare   = 4
)

// newConnection serves f on an open /dev/fuse that has been mounted.
func newConnection(f *fileSystem, fd int) *connection {
	return &connection{
		f: f, fd: fd, protocol: fuse.NewProtocolServer(f, f.serverOptions()),
		spare: make(chan chan struct{}, maxSpare), waiting: map[uint64]*request{},
	}
}

// init answers the first request, in which kernel and server agree on what they
// can do.
func (c *connection) init() error {
	w := newWorker(c)
	defer w.close()
	n, err := c.read(w.in)
	if err != nil {
		return fmt.Errorf("the kernel's first request: %w", err)
	}
	if n < int(unsafe.Sizeof(fuse.InHeader{}))+8 || w.header().Opcode != opInit {
		return errors.New("the kernel's first request is not INIT")
	}
	c.minor = (*fuse.InitIn)(unsafe.Pointer(&w.in[0])).Minor
	w.delegate(n)
	return nil
}

// serve answers requests until the file system has been unmounted, and closes
// the connection.
func (c *connection) serve() {
	c.workers.Go(newWorker(c).run)
	c.workers.Wait()
	unix.Close(c.fd)
}

// read reads a request. Its error is final.
func (c *connection) read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(c.fd, buf)
		switch err {
		case nil:
			if n < headerSize {
				return 0, fmt.Errorf("a request of %d bytes", n)
			}
			return n, nil
		case unix.EINTR, unix.EAGAIN, unix.ENOENT: // ENOENT: it was interrupted before we had it
		default:
			return 0, err
		}
	}
}

// handOff has another worker read on, if the request is the one that the leader
// serves. It may be called any number of times.
func (c *connection) handOff(unique uint64) {
	if unique == 0 || !c.leading.CompareAndSwap(unique, 0) {
		return
	}
	select {
	case lead := <-c.spare:
		close(lead)
	default:
		c.workers.Go(newWorker(c).run)
	}
}

// willWait notes that a request may take long: it is handed over, and told if the
// kernel does not want its answer any more.
func (c *connection) willWait(r *request) {
	c.handOff(r.unique)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[r.unique] = r
	if c.gone {
		r.interrupt()
	}
}

// served ends what willWait began.
func (c *connection) served(r *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, r.unique)
}

// interrupt tells a request that nobody waits for it any more. It returns false
// when it is not one that may take long.
func (c *connection) interrupt(unique uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.waiting[unique]
	if r != nil {
		r.interrupt()
	}
	return r != nil
}

// end interrupts everything that is under way, and lets the spare workers go.
func (c *connection) end() {
	c.mu.Lock()
	c.gone = true
	for _, r := range c.waiting {
		r.interrupt()
	}
	c.mu.Unlock()
	for {
		select {
		case lead := <-c.spare:
			close(lead)
		default:
			return
		}
	}
}

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

// read serves a READ.
func (w *worker) read(in *fuse.ReadIn) {
	unique := in.Unique
	w.c.reads.Add(1)
	if in.Size > inlineRead {
		w.c.handOff(unique)
	}
	a, status := w.c.f.readAnswer(in)
	if !status.Ok() {
		w.fail(unique, status)
		return
	}
	w.reply = fuse.OutHeader{Length: uint32(int(unsafe.Sizeof(w.reply)) + a.size), Unique: unique}
	w.vector = append(append(w.vector[:0], unsafe.Slice((*byte)(unsafe.Pointer(&w.reply)), unsafe.Sizeof(w.reply))), a.pieces...)
	w.send(w.vector...)
	clear(w.vector)
	a.loan.Return()
	if a.after != nil {
		// It waits for locks that requests may hold which are still to be read.
		w.c.handOff(unique)
		a.after()
	}
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

// notifyStore is the message that puts data into the kernel's cache.
type notifyStore struct {
	header fuse.OutHeader
	store  fuse.NotifyStoreOut
}

const notifyStoreCode = 4 // FUSE_NOTIFY_STORE

// canStore reports whether the kernel takes data unasked (Linux 2.6.36).
func (c *connection) canStore() bool { return c.minor >= 15 }

// store puts data into the kernel's cache of a file. It returns false when the
// kernel does not know the file.
func (c *connection) store(node uint64, offset int64, data []byte) bool {
	if len(data) > math.MaxInt32 {
		return false
	}
	m := notifyStore{
		fuse.OutHeader{Length: uint32(unsafe.Sizeof(notifyStore{})) + uint32(len(data)), Status: notifyStoreCode},
		fuse.NotifyStoreOut{Nodeid: node, Offset: uint64(offset), Size: uint32(len(data))},
	}
	err := retryEINTR(func() error {
		_, err := unix.Writev(c.fd, [][]byte{unsafe.Slice((*byte)(unsafe.Pointer(&m)), unsafe.Sizeof(m)), data})
		return err
	})
	return err == nil
}

// readAnswer is Read; a panic is EIO.
func (f *fileSystem) readAnswer(in *fuse.ReadIn) (a *answer, status fuse.Status) {
	defer func() {
		if reason := recover(); reason != nil {
			a, status = nil, f.panicked(reason)
		}
	}()
	return f.read(in)
}

// panicked logs that the program is at fault.
func (f *fileSystem) panicked(reason any) fuse.Status {
	f.log.Error("a request could not be served: the program is at fault", "panic", reason, "stack", string(debug.Stack()))
	return fuse.EIO
}
