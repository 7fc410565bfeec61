package store

import "runtime/debug"

// Version is set by the linker for releases.
var Version = "development"

// Program names this program and its version, for snapshot records and leases.
func Program() string {
	v := Version
	if info, ok := debug.ReadBuildInfo(); ok && v == "development" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v += "+" + s.Value[:12]
			}
		}
	}
	return "garret " + v
}
