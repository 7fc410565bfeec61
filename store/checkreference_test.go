package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/index"
	"garret/store/pack"
)

// Random damage, with and without parity: check reports exactly the files and
// ranges that a reference computation says are lost, from where each blob lies,
// which bytes have changed, and what parity heals.
func TestCheckLossesReference(t *testing.T) {
	bare, bareRepo, bareSnaps, parts := checkRepository(t)
	healing, healingRepo, healingSnaps, _ := parityRepository(t)
	rnd := rand.New(rand.NewPCG(12, 0))
	losses, heals := 0, 0
	for round := range 24 {
		b, r, snaps := bare.Clone(), bareRepo, bareSnaps
		if round%2 == 1 {
			b, r, snaps = healing.Clone(), healingRepo, healingSnaps
		}
		places := make(map[string]index.Location) // of parts, by their bytes
		for _, part := range parts[:16] {
			places[string(part)] = where(t, on(r, b), index.Data, part)
		}
		// Some packs get a few cells damaged, some many, some are cut short.
		changed := make(map[index.PackID]bool) // beyond what parity heals
		for _, name := range packsOf(t, b, index.Data) {
			id := index.PackID(mustID(t, name))
			data := read(t, b, name)
			was := slices.Clone(data)
			cells := (len(data) + pack.CellSize - 1) / pack.CellSize
			for range rnd.IntN(60) {
				cell := rnd.IntN(cells)
				data[min(cell*pack.CellSize+rnd.IntN(pack.CellSize), len(data)-1)] ^= 1 << rnd.UintN(8)
			}
			if rnd.IntN(4) == 0 {
				data = data[:rnd.IntN(len(data))]
			}
			write(t, b, name, data)
			if r == healingRepo {
				if healed, err := healedPack(t.Context(), b, id); err == nil {
					if !slices.Equal(healed, was) {
						t.Fatal("parity has made something else of a pack")
					}
					heals++
					continue
				}
			}
			changed[id] = true
			for key, at := range places {
				if at.Pack == id && int(at.Offset+at.Length) <= len(data) && slices.Equal(data[at.Offset:at.Offset+at.Length], was[at.Offset:at.Offset+at.Length]) {
					delete(places, key)
				}
			}
		}
		lost := func(part []byte) bool {
			at, ok := places[string(part)]
			return ok && changed[at.Pack]
		}
		var want []string
		for i, s := range snaps {
			file := func(path string, parts [][]byte) {
				off, from, n := 0, -1, 0
				end := func() {
					if from >= 0 {
						want = append(want, fmt.Sprintf("%s %s %d+%d", s.ID.Short(), path, from, n))
					}
					from, n = -1, 0
				}
				for _, p := range parts {
					if p == nil {
						off += 1000
						end()
						continue
					}
					if lost(p) {
						if from < 0 {
							from = off
						}
						n += len(p)
					} else {
						end()
					}
					off += len(p)
				}
				end()
			}
			for _, dir := range []string{"home/shared/", "home/copy\xff/"} {
				file(dir+"long", parts[:12])
				file(dir+"hole", [][]byte{parts[12], nil, parts[13]})
			}
			file("etc/"+s.Host, parts[14+i:15+i])
		}
		c := check(t, on(r, b), true)
		var got []string
		for _, l := range c.losses() {
			// The small files share a frame, of which the reference does not know.
			if !strings.Contains(l, "/small ") && !strings.Contains(l, "/own ") {
				got = append(got, l)
			}
		}
		slices.Sort(want)
		losses += len(want)
		if !slices.Equal(got, want) {
			t.Errorf("round %d: lost\n%q\nwant\n%q", round, got, want)
			c.dump(t)
		}
	}
	if losses == 0 || heals == 0 {
		t.Errorf("%d losses and %d packs that are healed: the test shows nothing", losses, heals)
	}
}
