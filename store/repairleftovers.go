package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
)

// listLeases finds out which sessions may still store something. A writer's
// lease counts as long as its process is not known to have ended.
func (p *repairer) listLeases(ctx context.Context) error {
	p.alive, p.fenced = make(map[index.SessionID]bool), make(map[index.SessionID]bool)
	err := p.b.List(ctx, dirLeases, func(e backend.Entry) error {
		id, n, ok := parseLeaseName(e.Name)
		if !ok || id == p.own {
			return nil
		}
		if n == 0 {
			p.fenced[id] = true
			return nil
		}
		l, known := p.leaseOf(ctx, e.Name)
		switch {
		case known && p.gone(l):
			p.dead = append(p.dead, e.Name)
		case !known || l.Kind != LeaseReader:
			p.alive[id] = true
		}
		return nil
	})
	for id := range p.fenced {
		delete(p.alive, id)
	}
	return errors.Join(err, ctx.Err())
}

// leaseOf reads a lease, if that is possible.
func (p *repairer) leaseOf(ctx context.Context, name string) (l Lease, ok bool) {
	if p.r == nil {
		return Lease{}, false
	}
	l, err := p.r.readLease(ctx, name)
	return l, err == nil
}

// processGone reports whether a lease is of a process of this machine, since it
// was started, that has ended.
func processGone(l Lease) bool {
	host, err := os.Hostname()
	if err != nil || host != l.Host || l.PIDs == "" || l.PIDs != pidNamespace() {
		return false
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || l.Boot == "" || strings.TrimSpace(string(boot)) != l.Boot || l.PID <= 0 {
		return false
	}
	return errors.Is(unix.Kill(l.PID, 0), unix.ESRCH)
}

// tempCleaner is a backend in which interrupted writes leave something behind.
type tempCleaner interface {
	// OldTemp tells what CleanTemp would remove.
	OldTemp(ctx context.Context) (files int, bytes int64, err error)
	CleanTemp(ctx context.Context) (removed int, err error)
}

// planLeftovers plans to remove what nobody needs: leases of processes that
// have ended, what was put into quarantine and has been healed, temporary
// files.
func (p *repairer) planLeftovers(ctx context.Context) error {
	for _, name := range p.dead {
		p.act(RepairAction{Kind: RepairClean, Object: name, Reason: "the process that it is of has ended", Remedy: "is removed",
			do: func(ctx context.Context, x *repairRun) error {
				if l, known := p.leaseOf(ctx, name); !known || !p.gone(l) {
					return errSettled
				}
				return x.delete(ctx, name)
			}})
	}
	for _, name := range slices.Sorted(maps.Keys(p.quarantined)) {
		if id, ok := parseParityName(name); ok && !p.protects(id) {
			continue
		}
		sound, err := p.soundNow(ctx, name)
		if err != nil {
			return err
		}
		if sound {
			p.act(RepairAction{Kind: RepairClean, Object: quarantineName(name), Reason: name + " is sound again", Remedy: "is removed",
				do: func(ctx context.Context, x *repairRun) error {
					if sound, err := p.soundNow(ctx, name); err != nil || !sound {
						return errors.Join(err, errSettled)
					}
					return x.delete(ctx, quarantineName(name))
				}})
		}
	}
	c, ok := p.b.(tempCleaner)
	if !ok {
		return nil
	}
	files, bytes, err := c.OldTemp(ctx)
	if err != nil || files == 0 {
		return err
	}
	p.act(RepairAction{Kind: RepairClean, Object: backend.TempPrefix + "*", Reason: fmt.Sprintf("%d temporary files of interrupted writes are there, %d bytes", files, bytes),
		Remedy: "are removed", do: func(ctx context.Context, _ *repairRun) error {
			_, err := c.CleanTemp(ctx)
			return err
		}})
	return nil
}

// protects reports whether parity of that id is of a pack or segment that is
// sound, or will be.
func (p *repairer) protects(id [16]byte) bool {
	q, s := p.packs[id], p.segments[id]
	return q != nil && q.good || s != nil && s.good
}

// soundNow reports whether an object is there and can be proven.
func (p *repairer) soundNow(ctx context.Context, name string) (bool, error) {
	data, err := p.read(ctx, p.b, name)
	if stop := stops(ctx, err); stop != nil {
		return false, stop
	}
	if err != nil {
		return false, nil
	}
	switch expected(name).kind {
	case object.Config:
		n, _, _ := parseConfigName(name)
		err = p.proof.config(n, data)
	case object.KeySlot:
		first, _ := strings.CutSuffix(name, copySuffix)
		err = p.slotPair(first).prove(data)
	case object.Snapshot:
		id, _, _ := parseSnapshotName(name)
		err = p.proof.snapshot(id, data)
	case object.Segment:
		id, _ := parseSegmentID(base(name))
		err = p.proof.segment(id, data)
	case object.Pack:
		id, _ := index.ParsePackID(base(name))
		_, err = p.proof.pack(id, data, p.ReadData)
	default:
		_, _, err = object.Open(data, object.Parity)
	}
	return err == nil, nil
}
