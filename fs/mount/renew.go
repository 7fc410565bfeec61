package mount

// renew replaces the connection to the kernel, because what old may show is less
// than what there is: snapshots have come that hold extended attributes, and the
// kernel has been told that there are none.
//
// The mount goes out of sight and is there again at once. Who has something of it
// open, or stands in one of its directories, goes on in the old one until he is
// done with it.
//
// It is called by old's own lister, which old waits for before it ends: so the
// server does not run out of connections, which would be its end, in between.
func (s *Server) renew(old *fileSystem) {
	s.mu.Lock()
	replaced := s.connection != old.connection
	s.mu.Unlock()
	if replaced {
		return // somebody is still in it
	}
	f, err := s.make(old.ctx)
	if err == nil {
		err = s.replace(old, f)
	}
	if err != nil && old.ctx.Err() == nil {
		old.log.Error("the mount has to be made anew to show snapshots with extended attributes, and cannot be", "err", err)
	}
}

// replace has f answer in the place of old, if old is what is mounted still.
func (s *Server) replace(old, f *fileSystem) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, isRoot, err := mountAt(s.at.path)
	if s.connection != old.connection || err != nil || !isRoot || m.id != s.at.id {
		f.close() // replaced already, being unmounted, or hidden by another mount
		return err
	}
	if err = m.unmount(true); err == nil {
		err = s.attach(f, m.path)
	}
	if err != nil {
		f.close()
	}
	return err
}
