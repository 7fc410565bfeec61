package mount

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/view"
)

const (
	maxRequest  = 1 << 20 // bytes of a READ or a listing
	readAheadKB = "1024"  // what the kernel reads ahead, KiB; 128 unless raised
)

// ErrNotDirectory says that the mount point, or what shall be mounted, is
// something else.
var ErrNotDirectory = errors.New("is not a directory")

// Server is a mounted file system. Its connection to the kernel may be replaced by
// another; see renew.
type Server struct {
	// make makes what a connection needs, unless the context ends meanwhile.
	make   func(context.Context) (*fileSystem, error)
	served sync.WaitGroup // connections that have not ended
	done   chan struct{}  // closed when all have

	mu         sync.Mutex
	at         mountPoint
	connection *connection
}

// Mount shows an archive on the directory dir. It returns when the mount can be
// used. What a dead server has left on the directory is cleared away first.
func Mount(dir string, a Archive, o Options) (*Server, error) {
	o = o.withDefaults()
	s := &Server{}
	s.make = func(unless context.Context) (*fileSystem, error) {
		ctx, end := context.WithCancel(context.Background())
		defer context.AfterFunc(unless, end)()
		f := newFileSystem(ctx, o, end)
		var err error
		if f.list, err = newLister(ctx, a, o, f.health, func() { s.renew(f) }); err != nil {
			end()
			return nil, fmt.Errorf("listing the snapshots: %w", err)
		}
		f.trees = newTrees(ctx, a, maxOpenTrees)
		if o.Versions {
			f.trees.max = math.MaxInt // every look at a directory needs them all
			f.versions = &versionsView{f: f}
		}
		return f, nil
	}
	return s.mount(dir)
}

// MountTree shows a tree, from one of its directories on, on the directory dir.
func MountTree(dir string, t *view.Tree, from view.Entry, o Options) (*Server, error) {
	if from.Type != tree.Directory {
		return nil, fmt.Errorf("what shall be mounted %w", ErrNotDirectory)
	}
	o = o.withDefaults()
	ctx, end := context.WithCancel(context.Background())
	f := newFileSystem(ctx, o, end)
	f.fixed = newFamilies(o.XattrFamilies)
	f.single = &openTree{
		Tree:       t,
		root:       from,
		number:     1,
		generation: fixedGeneration,
		rootNode:   nodeRoot,
		above:      nodeRoot,
		name:       o.TreeName,
	}
	if err := f.single.fits(); err != nil {
		end()
		return nil, err
	}
	s := &Server{make: func(context.Context) (*fileSystem, error) { return f, nil }}
	return s.mount(dir)
}

// mount attaches the file system and starts to serve it.
func (s *Server) mount(dir string) (*Server, error) {
	f, err := s.make(context.Background())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.attach(f, dir); err != nil {
		f.close()
		return nil, err
	}
	s.done = make(chan struct{})
	go func() {
		s.served.Wait()
		close(s.done)
	}()
	return s, nil
}

// attach gives the server another connection, which f answers. It is called with
// s.mu held.
func (s *Server) attach(f *fileSystem, dir string) error {
	if _, err := ClearDead(dir); err != nil {
		return err
	}
	path, err := mountable(dir)
	if err != nil {
		return err
	}
	fd, err := attachment{
		dir:           path,
		source:        f.options.FSName,
		allowOther:    f.options.AllowOther,
		maxRead:       maxRequest,
		noExec:        f.options.NoExec,
		viaFusermount: f.options.viaFusermount,
	}.attach()
	if err != nil {
		return err
	}
	at, _, err := mountAt(path)
	if err != nil {
		unix.Close(fd)
		return err
	}
	c := newConnection(f, fd)
	if err := c.init(); err != nil {
		unix.Close(fd)
		return errors.Join(fmt.Errorf("%w on %s: %w", ErrCannotMount, path, err), at.unmount(true))
	}
	f.connection = c
	s.at, s.connection = at, c
	s.served.Go(func() {
		defer close(c.ended)
		c.serve()
		f.close()
	})
	if err := at.ready(); err != nil {
		return errors.Join(fmt.Errorf("%w on %s: %w", ErrCannotMount, path, err), at.unmount(true))
	}
	return nil
}

// serverOptions returns what go-fuse is told; FUSE.md has the measurements.
func (f *fileSystem) serverOptions() *fuse.MountOptions {
	return &fuse.MountOptions{
		Name:                 fsSubtype,
		FsName:               f.options.FSName,
		AllowOther:           f.options.AllowOther,
		MaxWrite:             maxRequest,
		DisableSplice:        true,
		EnableSymlinkCaching: true,
		EnableAcl:            f.enforcesACLs(),
		// go-fuse's own mask omits these: opening directories without
		// asking, and file handles that outlive the kernel's cache.
		ExtraCapabilities: fuse.CAP_NO_OPENDIR_SUPPORT | fuse.CAP_EXPORT_SUPPORT,
		Logger:            slog.NewLogLogger(f.log.Handler(), slog.LevelWarn),
		PanicHandler:      f.panicked,
	}
}

// mountable returns the path that can be mounted on, without symbolic links.
func mountable(dir string) (string, error) {
	path, err := absolute(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the mount point %s does not exist: %w", dir, fs.ErrNotExist)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("the mount point %s %w", dir, ErrNotDirectory)
	}
	m, isRoot, err := mountAt(path)
	if err != nil {
		return "", err
	}
	if isRoot && m.ours() {
		return "", fmt.Errorf("%s: %w", dir, ErrMounted)
	}
	return path, nil
}

// ready returns when the server has answered a request.
//
// The file it opens is go-fuse's: it answers POLL with ENOSYS, so that the
// kernel never sends one again. A POLL comes when a Go program opens a file of
// the mount, and in this process it could wait for the very thread that is to
// serve it (fuse/poll.go of go-fuse).
func (m mountPoint) ready() error {
	var fd int
	err := retryEINTR(func() (err error) {
		fd, err = unix.Open(m.path+"/.go-fuse-epoll-hack", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
		return err // others mean that the server has answered
	}
	if err == nil {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, _ = unix.Poll(poll, 0) // its answer does not matter
		unix.Close(fd)
	}
	m.raiseReadAhead()
	return nil
}

// raiseReadAhead makes the kernel send large READs. Only root may; without it
// they are of 128 KiB.
func (m mountPoint) raiseReadAhead() {
	setting := "/sys/class/bdi/" + m.device + "/read_ahead_kb"
	_ = os.WriteFile(setting, []byte(readAheadKB), 0)
}

// Dir returns the mount point, as an absolute path without symbolic links.
func (s *Server) Dir() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at.path
}

// Wait returns when the file system has been unmounted, by whomever, and
// nothing of it runs any more.
func (s *Server) Wait() { <-s.done }

// Unmount unmounts the file system and waits for its end. While somebody uses
// it, the error wraps ErrBusy. It is no error if it is unmounted already.
func (s *Server) Unmount() error {
	c, err := s.unmount()
	if err == nil {
		<-c.ended // which may wait for s.mu
	}
	return err
}

func (s *Server) unmount() (*connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.connection.ended:
		return s.connection, nil
	default:
	}
	m, isRoot, err := mountAt(s.at.path)
	if err == nil && isRoot && m.id == s.at.id {
		err = m.unmount(false)
	} else if err == nil {
		err = s.hidden()
	}
	return s.connection, err
}

// hidden explains why the mount is not what its directory leads to.
func (s *Server) hidden() error {
	if _, err := findMount(s.at.id); err != nil {
		return nil // unmounted; the server is about to learn it
	}
	return fmt.Errorf("%s: %w by another mount on top of it", s.at.path, ErrBusy)
}
