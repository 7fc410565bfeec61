package formattest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// record is a snapshot's record: the JSON of its header and its details.
type record struct {
	ID            string         `json:"id"`
	Time          time.Time      `json:"time"`
	Duration      int64          `json:"duration"`
	Host          string         `json:"host"`
	User          string         `json:"user"`
	Sources       [][]byte       `json:"sources"`
	Label         string         `json:"label"`
	Program       string         `json:"program"`
	Parent        string         `json:"parent"`
	Partial       bool           `json:"partial"`
	Totals        map[string]any `json:"totals"`
	XattrFamilies []string       `json:"xattr_families"`
	Sequence      uint64         `json:"sequence"`
	Previous      string         `json:"previous"`

	session [8]byte
	details details
}

type details struct {
	Root    []byte `json:"root"`
	Devices []struct {
		FSType  string `json:"fs_type"`
		Network bool   `json:"network"`
		Newest  struct {
			Sec  int64  `json:"sec"`
			Nsec uint32 `json:"nsec"`
		} `json:"newest"`
		Mount []byte `json:"mount"`
	} `json:"devices"`
	Warnings []struct {
		Path   []byte `json:"path"`
		Reason string `json:"reason"`
	} `json:"warnings"`
	RewrittenFrom string `json:"rewritten_from"`
}

// strict refuses fields that FORMAT.md does not name.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// snapshots reads all of history.
func (r *reader) snapshots() (snaps []*record, err error) {
	names, err := r.listTwins("history")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s, err := r.snapshot(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		snaps = append(snaps, s)
	}
	return snaps, nil
}

func (r *reader) snapshot(name string) (*record, error) {
	data, err := r.read(name)
	if err != nil {
		return nil, err
	}
	if err := object(data, 'h'); err != nil {
		return nil, err
	}
	signed, signature := data[:len(data)-4-177], data[len(data)-4-177:len(data)-4]
	hash := sha256.Sum256(append([]byte(name), signed...))
	if role, err := r.verify("snapshot", hash[:], signature); err != nil || role != 1 {
		return nil, fmt.Errorf("role %d: %w", role, err)
	}
	epoch := le.Uint32(data[16:])
	at := 30 + int(le.Uint16(data[28:]))
	encapsulation, prefix := data[30:at], data[:at]
	n := int(le.Uint32(data[at:]))
	sealedHead, sealedDetails := signed[at+4:at+4+n], signed[at+4+n:]

	head, err := r.stream(r.keys.list, "garret v1 list object", name, prefix, sealedHead)
	if err != nil {
		return nil, err
	}
	s := &record{session: [8]byte(data[20:])}
	if err := strict(head, s); err != nil {
		return nil, err
	}
	if "history/"+s.ID != name {
		return nil, wrong("it calls itself %s", s.ID)
	}
	secret, err := r.session(epoch, encapsulation)
	if err != nil {
		return nil, err
	}
	plain, err := r.stream(secret.secret, "garret v1 session object", name, nil, sealedDetails)
	if err != nil {
		return nil, err
	}
	return s, strict(plain, &s.details)
}

// lease is a lease's JSON.
type lease struct {
	Kind    string    `json:"kind"`
	Host    string    `json:"host"`
	Boot    string    `json:"boot"`
	PID     int       `json:"pid"`
	PIDs    string    `json:"pid_ns"`
	Started time.Time `json:"started"`
	Program string    `json:"program"`
}

func (r *reader) leases() (leases []lease, err error) {
	names, err := r.list("leases")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := r.read(name)
		if err != nil {
			return nil, err
		}
		if err := object(data, 'l'); err != nil {
			return nil, err
		}
		plain, err := r.stream(r.keys.list, "garret v1 list object", name, data[:16], data[16:len(data)-4])
		if err != nil {
			return nil, err
		}
		var l lease
		if err := strict(plain, &l); err != nil {
			return nil, err
		}
		leases = append(leases, l)
	}
	return leases, nil
}
