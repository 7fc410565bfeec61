package main

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func parseArguments(t *testing.T, args []string) (*cli, error) {
	t.Helper()
	c := &cli{}
	parser, err := kong.New(c, rawStrings(), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(flagsFirst(parser.Model.Node, args))
	return c, err
}

// TestOptionsBetweenArguments: `garret snapshot A --label x B` stores A and B,
// whatever kind of option stands between.
func TestOptionsBetweenArguments(t *testing.T) {
	for _, c := range []struct{ mixed, first string }{
		{"snapshot A --label x B", "snapshot --label x A B"},
		{"snapshot A --label=x B C", "snapshot --label=x A B C"},
		{"snapshot A -x B", "snapshot -x A B"},
		{"snapshot A -xn B", "snapshot -x -n A B"},
		{"snapshot A -xe *.o B", "snapshot -x -e *.o A B"},
		{"snapshot A -e*.o B", "snapshot -e *.o A B"},
		{"snapshot A --pattern -*.o --exclude -- B", "snapshot --pattern -*.o --exclude -- A B"},
		{"snapshot A --keep-exclude-tags B", "snapshot --keep-tags A B"},
		{"-r R snapshot A --json B", "-r R snapshot --json A B"},
		{"snapshot A -r R B", "snapshot -r R A B"},
		{"snapshot A --json -- -n --label", "snapshot --json -- A -n --label"},
		{"snapshot A --json B -- -n -- C", "snapshot --json -- A B -n -- C"},
		{"snapshot --stdin-command -- tar --create -f - /etc", "snapshot --stdin-command -- tar --create -f - /etc"},
		{"snapshot - --json", "snapshot --json -"},
		{"find latest *.go --type f *.c", "find --type f latest *.go *.c"},
		{"restore latest --overwrite DEST", "restore --overwrite latest DEST"},
		{"restore latest --overwrite=never DEST --no-sparse", "restore --overwrite=never --no-sparse latest DEST"},
		{"diff A --stat B", "diff --stat A B"},
		{"ls A", "ls A"},
	} {
		got, err := parseArguments(t, strings.Fields(c.mixed))
		if err != nil {
			t.Errorf("%s: %v", c.mixed, err)
			continue
		}
		want, err := parseArguments(t, strings.Fields(c.first))
		if err != nil {
			t.Fatalf("%s: %v", c.first, err)
		}
		for _, c := range []*cli{got, want} { // its place counts arguments behind it, which are not the same
			for _, o := range []orderedArgs{c.Snapshot.Exclude, c.Snapshot.Pattern} {
				for i := range o {
					o[i].left = 0
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, and %s is %+v", c.mixed, got, c.first, want)
		}
	}
}

// TestOrderOfPatternsBetweenArguments: the first rule that matches decides, so
// paths between rules must not change their order.
func TestOrderOfPatternsBetweenArguments(t *testing.T) {
	c, err := parseArguments(t, strings.Fields("snapshot --pattern +a/keep A -e a B --pattern -b C"))
	if err != nil {
		t.Fatal(err)
	}
	p, e := c.Snapshot.Pattern, c.Snapshot.Exclude
	if len(p) != 2 || len(e) != 1 || p[0].left <= e[0].left || e[0].left <= p[1].left {
		t.Fatalf("rules %v and %v are not in their order", p, e)
	}
	if got := strings.Join(c.Snapshot.Paths, " "); got != "A B C" {
		t.Fatalf("paths %s, want A B C", got)
	}
}

// TestUnknownOptionBetweenArguments: an option that is not there is an error,
// and never taken for a path.
func TestUnknownOptionBetweenArguments(t *testing.T) {
	for _, args := range []string{"snapshot A --lable x B", "snapshot A -Z B", "snapshot A --label", "umount A -l B", "nothing A --x B"} {
		if _, err := parseArguments(t, strings.Fields(args)); err == nil {
			t.Errorf("%s is not refused", args)
		}
	}
}
