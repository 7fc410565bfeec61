package mount

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxHolders bounds how many processes an error names.
const maxHolders = 5

// holders names the processes that have something below dir open or are in it,
// as far as this user may see them, but for this one. It only reads links in
// /proc, so a mount that is dead or slow does not hold it up.
func holders(dir string) []string {
	below := func(path string) bool {
		return path == dir || strings.HasPrefix(path, dir+"/")
	}
	var who []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if filepath.Base(process) == strconv.Itoa(os.Getpid()) {
			continue
		}
		links, _ := filepath.Glob(process + "/fd/*")
		links = append(links, process+"/cwd", process+"/root", process+"/exe")
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil && below(target) {
				name, _ := os.ReadFile(process + "/comm")
				who = append(who, fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), filepath.Base(process)))
				break
			}
		}
		if len(who) == maxHolders {
			return append(who, "…")
		}
	}
	return who
}
