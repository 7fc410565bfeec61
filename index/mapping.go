package index

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OpenFile maps the segment in the file into memory, in constant time and with
// nothing on the heap per row. The file must not be changed; it may be removed.
// Errors are those of [Parse] and of the file system.
func OpenFile(path string) (*Segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if !info.Mode().IsRegular() || size < headerSize+footerSize || size > math.MaxInt {
		return nil, fmt.Errorf("%s: %w: not a file of its size", path, ErrDamaged)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	s, err := parseMapped(data)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), unix.Munmap(data))
	}
	return s, nil
}

// parseMapped is Parse for a mapping, whose first page may be unreadable.
func parseMapped(data []byte) (s *Segment, err error) {
	probe := &Segment{data: data, mapped: true}
	defer func() {
		if s == nil && err == nil {
			err = probe.Err()
		}
	}()
	defer probe.caught(debug.SetPanicOnFault(true))
	s, err = Parse(data)
	if err != nil {
		return nil, err
	}
	s.mapped = true
	return s, nil
}

// Close unmaps the segment. After it nothing is found.
func (s *Segment) Close() error {
	data, mapped := s.data, s.mapped
	s.data, s.mapped = nil, false
	s.sessions, s.encapsulations, s.packs, s.rows, s.fan = nil, nil, nil, nil, nil
	if !mapped {
		return nil
	}
	return os.NewSyscallError("munmap", unix.Munmap(data))
}

// Err returns the first failure to read the mapped file, nil if there was none.
// A row that could not be read counts as one that is not there.
func (s *Segment) Err() error {
	if err := s.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// caught ends a stretch of code that reads the mapping; it is deferred there,
// with debug.SetPanicOnFault(true) as its argument. A file that another process
// has cut short, or a disk that cannot read it, makes the kernel send SIGBUS;
// that would end the program, and a mount with it, for the sake of a cache
// that can be built anew. Any other panic goes on.
func (s *Segment) caught(onFault bool) {
	debug.SetPanicOnFault(onFault)
	if r := recover(); r != nil {
		s.keepFault(r)
	}
}

// keepFault records the recovered panic if it is a fault in s's mapping, and
// panics with it again if not.
func (s *Segment) keepFault(r any) {
	if !s.isFault(r) {
		panic(r)
	}
	err := fmt.Errorf("%w: reading the mapped file: %v", ErrDamaged, r)
	s.fault.CompareAndSwap(nil, &err)
}

func (s *Segment) isFault(r any) bool {
	fault, ok := r.(interface{ Addr() uintptr })
	if !ok || !s.mapped || len(s.data) == 0 {
		return false
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(s.data)))
	return fault.Addr() >= start && fault.Addr()-start < uintptr(len(s.data))
}
