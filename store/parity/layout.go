package parity

import (
	"hash/crc32"

	"garret/store/object"
)

// layout is how a parity object is divided: into units of the size of a cell,
// each of which holds a plate and, around it, parts of parity cells.
type layout struct {
	units   int // how many; each has a plate
	payload int // bytes of a plate between its head and its CRC
	needed  int // different payloads that together tell all of the table
	room    int // bytes in a unit that are kept for its plate; 0 if k is 1
	rooms   int // places in a unit for them
}

const (
	anyUnits   = 1024  // up to so many data cells, any units that m losses leave tell the table
	maxPieces  = 32768 // different payloads; more units repeat them
	maxPayload = 4032
)

// layoutOf returns the layout with the fewest units in which each parity cell
// has its place and, whatever is lost, enough of the table is left.
func layoutOf(k, m, cell int) layout {
	if k == 1 {
		return layout{units: 2, payload: symbols, needed: 1}
	}
	var best layout
	for payload := symbols; payload <= min(cell/4-symbols, maxPayload); payload += symbols {
		l := layout{payload: payload, room: symbols + payload}
		l.rooms = cell / l.room
		l.needed = (4*k + payload - 1) / payload
		// A room's place is taken in every rooms-th unit: in the others there
		// must be m.
		l.units = (m*l.rooms + l.rooms - 2) / (l.rooms - 1)
		// When x units and m-x data cells are lost, needed must be left, for
		// any x below m. That is much for large objects.
		enough := m - 1 + l.needed
		if k > anyUnits {
			enough = min(enough, 3*l.needed)
		}
		l.units = max(l.units, enough)
		if best.units == 0 || l.units < best.units {
			best = l
		}
	}
	return best
}

// plate returns the bytes of a plate.
func (l layout) plate() int { return plateHead + l.payload + object.CRCSize }

// pieces returns the number of different payloads: unit u has number u%pieces.
func (l layout) pieces() int { return min(l.units, maxPieces) }

// total returns the length of the parity object.
func (g geometry) total() int64 {
	if g.k == 1 {
		return object.HeaderSize + 2*int64(g.plate()) + int64(g.cell) + object.CRCSize
	}
	return int64(g.units)*int64(g.cell) + object.CRCSize
}

// inUnit returns where in unit u its plate begins. The plates of an object of
// one cell lie before and after it.
func (g geometry) inUnit(u int) int {
	switch {
	case g.k > 1:
		return u%g.rooms*g.room + object.HeaderSize
	case u == 0:
		return -g.plate()
	}
	return g.cell
}

// place returns where in the parity object the plate of unit u begins.
func (g geometry) place(u int) int64 {
	if g.k == 1 {
		return object.HeaderSize + int64(g.plate()) + int64(g.inUnit(u))
	}
	return int64(u)*int64(g.cell) + int64(g.inUnit(u))
}

// sum returns the CRC32C of unit u but for its plate.
func (g geometry) sum(unit []byte, u int) uint32 {
	if g.k == 1 {
		return crc32.Checksum(unit, object.Castagnoli)
	}
	at := g.inUnit(u)
	before := crc32.Checksum(unit[:at], object.Castagnoli)
	return crc32.Update(before, object.Castagnoli, unit[at+g.plate():])
}

// strip returns the bytes of a cell that lie in a unit at the place of a room;
// those after the last room have number rooms. All parity cells' bytes there lie
// in the same units.
func (g geometry) strip(room int) (from, to int) {
	if room == g.rooms {
		return room * g.room, g.cell
	}
	return room * g.room, (room + 1) * g.room
}

// unitOf returns the unit in which the strip of a parity cell lies: the cells'
// are in ascending order in those units that do not have their plate there.
func (g geometry) unitOf(cell, room int) int {
	if room == g.rooms {
		return cell
	}
	return cell + (cell+g.rooms-1-room)/(g.rooms-1)
}

// cellOf returns the parity cell of which a strip lies in unit u; false if it
// is the room of its plate, or nothing.
func (g geometry) cellOf(u, room int) (cell int, ok bool) {
	cell = u
	if room < g.rooms {
		cell -= (u + g.rooms - 1 - room) / g.rooms
		ok = u%g.rooms != room
	} else {
		ok = true
	}
	return cell, ok && cell < g.m
}

// spread distributes the parity cells, which lie at the end of the units, among
// all units, and clears the rest. Going upwards, a cell's strip is overwritten
// by itself or when it has been moved: it moves down by no more units than there
// are more units than cells.
func (g geometry) spread(units []byte) {
	spare := g.units - g.m
	for u := range g.units {
		unit := units[u*g.cell:][:g.cell]
		for room := 0; room <= g.rooms; {
			from, to := g.strip(room)
			cell, ok := g.cellOf(u, room)
			for room++; room <= g.rooms; room++ { // together with what comes from the same cell
				next, there := g.cellOf(u, room)
				if there != ok || ok && next != cell {
					break
				}
				_, to = g.strip(room)
			}
			switch {
			case !ok:
				clear(unit[from:to])
			case u != spare+cell:
				copy(unit[from:to], units[(spare+cell)*g.cell:][from:to])
			}
		}
	}
}
