package mount

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"

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

// Server is a mounted file system.
type Server struct {
	at         mountPoint
	connection *connection
	done       chan struct{}
}

// Mount shows an archive on the directory dir. It returns when the mount can be
// used. What a dead server has left on the directory is cleared away first.
func Mount(dir string, a Archive, o Options) (*Server, error) {
	o = o.withDefaults()
	ctx, end := context.WithCancel(context.Background())
	f := newFileSystem(ctx, o, end)
	var err error
	if f.list, err = newLister(ctx, a, o, f.health); err != nil {
		end()
		return nil, fmt.Errorf("listing the snapshots: %w", err)
	}
	f.trees = newTrees(ctx, a, maxOpenTrees)
	if o.Versions {
		f.trees.max = math.MaxInt // every look at a directory needs them all
		f.versions = &versionsView{f: f}
	}
	return f.mount(dir)
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
		name:       o.FSName,
	}
	if err := f.single.fits(); err != nil {
		end()
		return nil, err
	}
	return f.mount(dir)
}

// mount attaches the file system and starts to serve it.
func (f *fileSystem) mount(dir string) (*Server, error) {
	s, err := f.attach(dir)
	if err != nil {
		f.close()
		return nil, err
	}
	return s, nil
}

func (f *fileSystem) attach(dir string) (*Server, error) {
	if _, err := ClearDead(dir); err != nil {
		return nil, err
	}
	path, err := mountable(dir)
	if err != nil {
		return nil, err
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
		return nil, err
	}
	at, _, err := mountAt(path)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	c := newConnection(f, fd)
	if err := c.init(); err != nil {
		unix.Close(fd)
		return nil, errors.Join(fmt.Errorf("mounting on %s: %w", path, err), at.unmount(true))
	}
	f.connection = c
	s := &Server{at: at, connection: c, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		c.serve()
		f.close()
	}()
	if err := s.ready(); err != nil {
		return nil, errors.Join(fmt.Errorf("mounting on %s: %w", path, err), at.unmount(true))
	}
	return s, nil
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
func (s *Server) ready() error {
	var fd int
	err := retryEINTR(func() (err error) {
		fd, err = unix.Open(s.at.path+"/.go-fuse-epoll-hack", unix.O_RDONLY|unix.O_CLOEXEC, 0)
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
	s.raiseReadAhead()
	return nil
}

// raiseReadAhead makes the kernel send large READs. Only root may; without it
// they are of 128 KiB.
func (s *Server) raiseReadAhead() {
	setting := "/sys/class/bdi/" + s.at.device + "/read_ahead_kb"
	_ = os.WriteFile(setting, []byte(readAheadKB), 0)
}

// Dir returns the mount point, as an absolute path without symbolic links.
func (s *Server) Dir() string { return s.at.path }

// Wait returns when the file system has been unmounted, by whomever, and
// nothing of it runs any more.
func (s *Server) Wait() { <-s.done }

// Unmount unmounts the file system and waits for its end. While somebody uses
// it, the error wraps ErrBusy. It is no error if it is unmounted already.
func (s *Server) Unmount() error {
	select {
	case <-s.done:
		return nil
	default:
	}
	m, isRoot, err := mountAt(s.at.path)
	if err == nil && isRoot && m.id == s.at.id {
		err = m.unmount(false)
	} else if err == nil {
		err = s.hidden()
	}
	if err != nil {
		return err
	}
	s.Wait()
	return nil
}

// hidden explains why the mount is not what its directory leads to.
func (s *Server) hidden() error {
	if _, err := findMount(s.at.id); err != nil {
		return nil // unmounted; the server is about to learn it
	}
	return fmt.Errorf("%s: %w by another mount on top of it", s.at.path, ErrBusy)
}
