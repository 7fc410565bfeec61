package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"garret/store/backend"
	"garret/store/object"
)

// Loss is one thing that a repair could not bring back: a range of a file, a
// directory, or a whole snapshot.
type Loss struct {
	Object   string     `json:"object,omitempty"`
	Snapshot SnapshotID `json:"snapshot,omitzero"`
	Path     []byte     `json:"path,omitempty"`   // from the snapshot's root
	Offset   uint64     `json:"offset,omitempty"` // bytes
	Length   uint64     `json:"length,omitempty"` // bytes; 0 is all of it
	Reason   string     `json:"reason"`
}

// LossReport is what is lost, as the newest repair that had to say something
// new has left it in the repository.
type LossReport struct {
	Time    time.Time `json:"time"`
	Program string    `json:"program"`
	Losses  []Loss    `json:"losses"`
	Lost    int       `json:"lost"` // of which Losses lists the first
}

// MaxLosses bounds the losses that are listed.
const MaxLosses = 100_000

// A report's object: header | key epoch u32 | encapsulation length u16 and
// bytes | JSON sealed under that session, with all before it as associated data
// | CRC32C. It holds paths, so that only who can read snapshots can read it.
// Its name tells when it was written.
const (
	lossReport  = object.Losses
	dirLosses   = dirQuarantine + "/losses"
	maxReport   = 64 << 20
	reportFixed = object.HeaderSize + 4 + 2 // up to the encapsulation
)

// Problem returns the loss as a check reports it.
func (l Loss) Problem() Problem {
	return Problem{Object: l.Object, Snapshot: l.Snapshot, Path: l.Path, Offset: l.Offset, Length: l.Length, Severity: Lost, Err: errors.New(l.Reason)}
}

// stateLosses finds out what is lost, and keeps the list in the repository
// unless it is there already.
func (p *repairer) stateLosses(ctx context.Context, res *RepairResult) error {
	_, err := p.r.Check(ctx, CheckOptions{Walk: p.Walk, Progress: p.Checking, Report: func(problem Problem) {
		if problem.Severity != Lost {
			return
		}
		res.Lost++
		if len(res.Losses) < MaxLosses {
			res.Losses = append(res.Losses, Loss{
				Object: problem.Object, Snapshot: problem.Snapshot, Path: problem.Path,
				Offset: problem.Offset, Length: problem.Length, Reason: oneLine(problem.Err),
			})
		}
	}})
	if err != nil {
		return err
	}
	res.Checked = true
	slices.SortFunc(res.Losses, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), slices.Compare(a.Snapshot[:], b.Snapshot[:]),
			slices.Compare(a.Path, b.Path), cmp.Compare(a.Offset, b.Offset))
	})
	if res.Lost == 0 {
		return nil
	}
	last, name, err := p.r.LossReport(ctx)
	if err != nil {
		return err
	}
	if last != nil && last.Lost == res.Lost && sameLosses(last.Losses, res.Losses) {
		res.Statement = name
		return nil
	}
	if p.r.writable != nil {
		return nil
	}
	name, err = p.r.writeLosses(ctx, &LossReport{Time: time.Now().UTC(), Program: Program(), Losses: res.Losses, Lost: res.Lost})
	if readOnly(err) || errors.Is(err, backend.ErrFull) {
		return nil // a repair that had nothing to do can run where nothing can be written
	}
	res.Statement = name
	return err
}

func sameLosses(a, b []Loss) bool {
	return slices.EqualFunc(a, b, func(a, b Loss) bool {
		a.Reason, b.Reason = "", "" // which packs have it is no news
		return reflect.DeepEqual(a, b)
	})
}

func (r *Repository) writeLosses(ctx context.Context, l *LossReport) (name string, err error) {
	var random [4]byte
	rand.Read(random[:])
	name = fmt.Sprintf("%s/%016x-%x", dirLosses, l.Time.UnixMicro(), random)
	body, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	session, err := r.keys.NewSession()
	if err != nil {
		return "", err
	}
	data := object.AppendHeader(nil, lossReport)
	data = binary.LittleEndian.AppendUint32(data, session.Epoch())
	data = binary.LittleEndian.AppendUint16(data, uint16(len(session.Encapsulation())))
	data = append(data, session.Encapsulation()...)
	sealed, err := session.Seal(name, data, body)
	if err != nil {
		return "", err
	}
	return name, r.backend.Put(ctx, name, object.Finish(append(data, sealed...)))
}

// LossReport returns the newest list of what repairs could not bring back, and
// its object's name; nil if there is none that can be read. What it says was so
// when it was written: a later snapshot of the same files may have healed it.
func (r *Repository) LossReport(ctx context.Context) (*LossReport, string, error) {
	reports, err := backend.List(ctx, r.backend, dirLosses)
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(reports, func(a, b backend.Entry) int { return cmp.Compare(b.Name, a.Name) })
	for _, e := range reports {
		l, err := r.readLosses(ctx, e.Name)
		if stop := stops(ctx, err); stop != nil {
			return nil, "", stop
		}
		if err == nil {
			return l, e.Name, nil
		}
	}
	return nil, "", nil
}

func (r *Repository) readLosses(ctx context.Context, name string) (*LossReport, error) {
	data, err := backend.ReadAll(ctx, r.backend, name, maxReport)
	if err != nil {
		return nil, err
	}
	if _, _, err := object.Open(data, lossReport); err != nil {
		return nil, err
	}
	end := len(data) - object.CRCSize
	if end < reportFixed {
		return nil, fmt.Errorf("list of losses of %d bytes: %w", len(data), object.ErrDamaged)
	}
	head := reportFixed + int(binary.LittleEndian.Uint16(data[reportFixed-2:]))
	if head > end {
		return nil, fmt.Errorf("list of losses of %d bytes: %w", len(data), object.ErrDamaged)
	}
	session, err := r.keys.OpenSession(binary.LittleEndian.Uint32(data[object.HeaderSize:]), data[reportFixed:head])
	if err != nil {
		return nil, err
	}
	body, err := session.Open(name, data[:head], data[head:end])
	if err != nil {
		return nil, err
	}
	l := new(LossReport)
	if err := json.Unmarshal(body, l); err != nil {
		return nil, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	return l, nil
}
