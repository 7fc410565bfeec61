package source

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// ErrNoAnswer is a directory service that getent(1) waited for in vain.
var ErrNoAnswer = errors.New("getent does not answer in time; users and groups that are not in /etc/passwd and /etc/group are stored by number only")

// getentPatience is how long one question may take.
const getentPatience = 5 * time.Second

// getent asks the system's name services, once for each number. When an answer
// does not come in time no more is asked, so that a server that is down costs
// one wait, not one for each owner.
type getent struct {
	program  string
	patience time.Duration

	mu    sync.Mutex
	known map[string]string // by database and number; empty for those without a name
	mute  bool              // there is no such program, or it does not answer
	err   error
}

func newGetent(program string, patience time.Duration) *getent {
	return &getent{program: program, patience: patience, known: make(map[string]string)}
}

func (g *getent) name(database string, id uint32) string {
	if g == nil {
		return ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	number := strconv.FormatUint(uint64(id), 10)
	key := database + " " + number
	name, ok := g.known[key]
	if !ok && !g.mute {
		name = g.ask(database, number, id)
		g.known[key] = name
	}
	return name
}

// ask runs getent. That a number has no name is an exit code.
func (g *getent) ask(database, number string, id uint32) string {
	ctx, cancel := context.WithTimeout(context.Background(), g.patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.program, database, number)
	cmd.WaitDelay = time.Second // for a child that keeps the pipe open
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		g.mute, g.err = true, ErrNoAnswer
		return ""
	case errors.Is(err, exec.ErrNotFound):
		g.mute = true
		return ""
	case err != nil:
		return ""
	}
	// A name service may answer for something else: a user called "1000".
	name, got, ok := parseID(out)
	if !ok || got != id {
		return ""
	}
	return name
}

func (g *getent) problem() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}
