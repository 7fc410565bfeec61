package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mount(8) runs garret in two ways (see contrib/mount.md): as
//
//	/sbin/mount.fuse.garret REPO DIR [-sfnvrw] [-o OPTIONS] [-t TYPE]
//
// when garret has that name too, else through mount.fuse3 as
//
//	garret REPO DIR -o OPTIONS
//
// helperArguments turns these into the arguments of `garret mount`. It returns
// args as they are if they are not mount(8)'s.
func helperArguments(program string, args []string, isCommand func(string) bool) ([]string, error) {
	if !calledByMount(program, args, isCommand) {
		return args, nil
	}
	var h helper
	if err := h.parse(args); err != nil {
		return nil, fmt.Errorf("mount -t fuse.garret: %w", err)
	}
	if h.fake {
		panic(exit(exitDone)) // what was said is right, and nothing else is asked
	}
	return h.arguments(), nil
}

func calledByMount(program string, args []string, isCommand func(string) bool) bool {
	switch filepath.Base(program) {
	case "mount.garret", "mount.fuse.garret":
		return true
	}
	return len(args) >= 4 && !strings.HasPrefix(args[0], "-") && !isCommand(args[0]) && slices.Contains(args[2:], "-o")
}

// helper is what mount(8) asks for.
type helper struct {
	places   []string // repository and directory
	flags    []string // of `garret mount`
	snapshot string
	sloppy   bool // unknown options are no error
	fake     bool // nothing is done
}

func (h *helper) parse(args []string) error {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			h.places = append(h.places, arg)
			continue
		}
		if slices.Contains([]string{"-o", "-t", "-N"}, arg) {
			if i++; i == len(args) {
				return fmt.Errorf("%s without a value", arg)
			}
			switch arg {
			case "-o":
				if err := h.options(args[i]); err != nil {
					return err
				}
			case "-N":
				return errors.New("mounting in another namespace (-N) is not possible")
			}
			continue
		}
		for _, flag := range arg[1:] {
			switch flag {
			case 's':
				h.sloppy = true
			case 'f':
				h.fake = true
			case 'n', 'v', 'r', 'w': // it is read-only in any case, and not in /etc/mtab
			default:
				return fmt.Errorf("unknown flag %s", arg)
			}
		}
	}
	if len(h.places) != 2 {
		return fmt.Errorf("a repository and a directory are needed, not %q", h.places)
	}
	return nil
}

// generic are the options that mount(8), fstab and systemd know for every file
// system. That it is ro, nosuid and nodev nothing changes.
var generic = []string{
	"ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "sync", "async", "dirsync", "atime", "noatime", "diratime", "nodiratime",
	"relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime", "iversion", "noiversion", "mand", "nomand",
	"silent", "loud", "auto", "noauto", "user", "nouser", "users", "nousers", "owner", "noowner", "group", "nogroup", "defaults",
	"_netdev", "nofail", "default_permissions", "nonempty",
}

// genericPrefixes are those that have a value, or any end.
var genericPrefixes = []string{"x-", "X-", "user=", "uhelper=", "helper=", "comment="}

// ours are garret's own, and the flags that they stand for.
var ours = map[string]string{
	"allow_other": "--allow-other", "versions": "--versions", "noexec": "--noexec",
	"cache-size": "--cache-size", "uid": "--uid", "gid": "--gid", "umask": "--umask", "owner": "--owner", "log": "--log",
}

func (h *helper) options(list string) error {
	for _, option := range splitOptions(list) {
		key, value, hasValue := strings.Cut(option, "=")
		flag, known := ours[key]
		takesValue := !slices.Contains([]string{"allow_other", "versions", "noexec"}, key)
		switch {
		case option == "" || slices.Contains(generic, option):
		case slices.ContainsFunc(genericPrefixes, func(p string) bool { return strings.HasPrefix(option, p) }):
		case known && takesValue != hasValue:
			if takesValue {
				return fmt.Errorf("option %q needs a value: %s=…", option, key)
			}
			return fmt.Errorf("option %q takes no value", key)
		case known && takesValue:
			h.flags = append(h.flags, flag+"="+value)
		case known:
			h.flags = append(h.flags, flag)
		case key == "snapshot" && value != "":
			h.snapshot = value
		case key == "passphrase-file" && value != "":
			if err := passphraseFrom(value); err != nil {
				return err
			}
		case option == "remount":
			return errors.New("a mount of garret does not change; unmount it, and mount it with the new options")
		case h.sloppy:
		default:
			return fmt.Errorf("unknown option %q", option)
		}
	}
	return nil
}

// passphraseFrom has the passphrase read from a file and nowhere else.
func passphraseFrom(file string) error {
	if !filepath.IsAbs(file) {
		return fmt.Errorf("passphrase-file %q: an absolute path is needed", file)
	}
	if err := unix.Access(file, unix.R_OK); err != nil { // opening one that is a FIFO would take its writer away
		return fmt.Errorf("passphrase-file: %w", &os.PathError{Op: "open", Path: file, Err: err})
	}
	for _, name := range []string{"GARRET_PASSPHRASE", "GARRET_PASSPHRASE_FD", "GARRET_PASSCOMMAND"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	return os.Setenv("GARRET_PASSPHRASE_FILE", file)
}

// splitOptions takes a list apart at its commas; one after a backslash belongs
// to the value.
func splitOptions(list string) []string {
	var options []string
	var b strings.Builder
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '\\' && i+1 < len(list) && (list[i+1] == ',' || list[i+1] == '\\'):
			i++
			b.WriteByte(list[i])
		case list[i] == ',':
			options = append(options, b.String())
			b.Reset()
		default:
			b.WriteByte(list[i])
		}
	}
	return append(options, b.String())
}

func (h *helper) arguments() []string {
	args := append([]string{"mount", "--repo=" + h.places[0]}, h.flags...)
	args = append(args, "--")
	if h.snapshot != "" {
		args = append(args, h.snapshot)
	}
	return append(args, h.places[1])
}
