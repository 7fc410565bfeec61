package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// What mount(8), mount.fuse3 and fstab pass becomes what a person would type.
func TestHelperArguments(t *testing.T) {
	isCommand := func(s string) bool { return s == "mount" || s == "snapshot" }
	for _, test := range []struct {
		program, args string // blank-separated
		want          string // an error if it begins with "!"
	}{
		{"/sbin/mount.fuse.garret", "/r /m -o rw", "mount --repo=/r -- /m"},
		{"/sbin/mount.fuse.garret", "/r /m", "mount --repo=/r -- /m"},
		{"mount.garret", "-r -nv /r /m -t fuse.garret -o ro,allow_other", "mount --repo=/r --allow-other -- /m"},
		{"garret", "/r /m -o rw,dev,suid", "mount --repo=/r -- /m"},
		{"garret", "/r /m -o snapshot=latest:home,uid=5,gid=6,umask=022,cache-size=64", "mount --repo=/r --uid=5 --gid=6 --umask=022 --cache-size=64 -- latest:home /m"},
		{"garret", `/r /m -o log=/a\,b,versions,noexec -o owner=me`, "mount --repo=/r --log=/a,b --versions --noexec --owner=me -- /m"},
		{"garret", "/r /m -o defaults,noauto,user=me,_netdev,nofail,x-gvfs-show,X-mount.mkdir,noatime,comment=x,,", "mount --repo=/r -- /m"},
		{"garret", "/r /m -o passphrase-file=/dev/null", "mount --repo=/r -- /m"},
		{"garret", "/r /m -s -o bogus", "mount --repo=/r -- /m"},
		{"garret", "snapshot /m x -o y", "snapshot /m x -o y"},
		{"garret", "mount /m -o", "mount /m -o"},
		{"garret", "-r /m x -o y", "-r /m x -o y"},
		{"garret", "/r /m -o allow_root", `!unknown option "allow_root"`},
		{"garret", "/r /m -o snapshot=", `!unknown option "snapshot="`},
		{"mount.fuse.garret", "/r /m -N 5", "!namespace"},
		{"mount.fuse.garret", "/r /m -x", "!unknown flag -x"},
		{"mount.fuse.garret", "/r /m -o", "!-o without a value"},
		{"mount.fuse.garret", "/r", "!a repository and a directory"},
	} {
		t.Setenv("GARRET_PASSPHRASE", "other")
		t.Setenv("GARRET_PASSPHRASE_FILE", "/other")
		got, err := helperArguments(test.program, strings.Fields(test.args), isCommand)
		if want, fails := strings.CutPrefix(test.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: %q, %v; want %q", test.program, test.args, got, err, want)
			}
			continue
		}
		if err != nil || !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("%s %s: %q, %v; want %q", test.program, test.args, got, err, test.want)
		}
		if strings.Contains(test.args, "passphrase-file") {
			if _, other := os.LookupEnv("GARRET_PASSPHRASE"); other || os.Getenv("GARRET_PASSPHRASE_FILE") != os.DevNull {
				t.Error("the passphrase still comes from elsewhere")
			}
		}
	}
}
