package mount

import (
	"context"
	"errors"
	"fmt"
	"math"
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
// READ is served here, without a copy, and READDIRPLUS, which is encoded before it is
// asked for where that can be foreseen (walk.go). For all other requests go-fuse
// knows the protocol (fuse.ProtocolServer).
type connection struct {
	f        *fileSystem
	fd       int
	protocol *fuse.ProtocolServer
	minor    uint32       // of the kernel's protocol version
	reads    atomic.Int64 // READs, each of which somebody has waited for

	ended chan struct{} // closed when nothing of it runs any more

	ctx    context.Context // of what nobody waits for: ends with the kernel's side
	cancel context.CancelFunc

	leading atomic.Uint64 // the request that the leader serves; 0: it is reading, or has handed over
	workers sync.WaitGroup
	spare   chan chan struct{} // workers that wait for the lead

	mu      sync.Mutex
	waiting map[uint64]*request // those that may take long, by number
	gone    bool                // the kernel has ended the connection
}

// Numbers of requests (linux/fuse.h) that go-fuse has no names for.
const (
	opRead        = 15
	opInit        = 26
	opInterrupt   = 36
	opReadDirPlus = 44
)

const (
	headerSize    = int(unsafe.Sizeof(fuse.InHeader{}))
	outHeaderSize = int(unsafe.Sizeof(fuse.OutHeader{}))
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
	c := &connection{
		f: f, fd: fd, protocol: fuse.NewProtocolServer(f, f.serverOptions()),
		ended: make(chan struct{}), spare: make(chan chan struct{}, maxSpare), waiting: map[uint64]*request{},
	}
	c.ctx, c.cancel = context.WithCancel(f.ctx)
	return c
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
	if n < headerSize+8 || w.header().Opcode != opInit {
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
	c.cancel()
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
