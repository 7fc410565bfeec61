package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
)

// tool is a backup program. Its commands store the directory src of the current
// directory.
type tool struct {
	name    string
	version string
	env     func(dir string) []string
	init    func(repo string) []string
	// snapshot stores src; it is called with another name each time.
	snapshot func(repo, name string) []string
	// restore writes the last snapshot below the current directory.
	restore func(repo, name string) []string
	check   func(repo string) []string
	// mount shows the repository in the foreground; src is then at the path
	// that inside returns.
	mount  func(repo, at string) []string
	inside func(at, name string) string
}

const passphrase = "a passphrase for the benchmark"

func garretTool(program string) *tool {
	return &tool{
		name: "garret",
		env: func(dir string) []string {
			return []string{"GARRET_REPO=", "GARRET_PASSPHRASE=" + passphrase, "XDG_CACHE_HOME=" + filepath.Join(dir, "cache")}
		},
		init: func(repo string) []string { return []string{program, "-r", repo, "init"} },
		snapshot: func(repo, _ string) []string {
			return []string{program, "-r", repo, "snapshot", "-q", "--root", ".", "src"}
		},
		restore: func(repo, _ string) []string { return []string{program, "-r", repo, "restore", "-q", "latest", "."} },
		check:   func(repo string) []string { return []string{program, "-r", repo, "check", "-q", "--read-data"} },
		mount:   func(repo, at string) []string { return []string{program, "-r", repo, "mount", "--foreground", at} },
		inside:  func(at, _ string) string { return filepath.Join(at, "latest", "src") },
	}
}

var borgTool = &tool{
	name: "borg",
	env: func(dir string) []string {
		return []string{"BORG_PASSPHRASE=" + passphrase, "BORG_BASE_DIR=" + filepath.Join(dir, "cache")}
	},
	init: func(repo string) []string { return []string{"borg", "init", "-e", "repokey-blake2", repo} },
	snapshot: func(repo, name string) []string {
		return []string{"borg", "create", "-C", "zstd,3", repo + "::" + name, "src"}
	},
	restore: func(repo, name string) []string { return []string{"borg", "extract", repo + "::" + name} },
	check:   func(repo string) []string { return []string{"borg", "check", "--verify-data", repo} },
	mount:   func(repo, at string) []string { return []string{"borg", "mount", "-f", repo, at} },
	inside:  func(at, name string) string { return filepath.Join(at, name, "src") },
}

var resticTool = &tool{
	name: "restic",
	env: func(dir string) []string {
		return []string{"RESTIC_PASSWORD=" + passphrase, "RESTIC_CACHE_DIR=" + filepath.Join(dir, "cache")}
	},
	init: func(repo string) []string {
		return []string{"restic", "-q", "-r", repo, "init", "--repository-version", "2"}
	},
	snapshot: func(repo, _ string) []string { return []string{"restic", "-q", "-r", repo, "backup", "src"} },
	restore: func(repo, _ string) []string {
		return []string{"restic", "-q", "-r", repo, "restore", "latest", "--target", "."}
	},
	check:  func(repo string) []string { return []string{"restic", "-q", "-r", repo, "check", "--read-data"} },
	mount:  func(repo, at string) []string { return []string{"restic", "-q", "-r", repo, "mount", at} },
	inside: func(at, _ string) string { return filepath.Join(at, "snapshots", "latest", "src") },
}

var versionPattern = regexp.MustCompile(`\d+\.[0-9.]+\S*`)

// installed returns the tools that are wanted and there, and notes which are not.
func (r *results) installed(ctx context.Context, wanted []string, program string) (tools []*tool) {
	for _, name := range wanted {
		switch name {
		case "garret":
			tools = append(tools, garretTool(program))
			continue
		case "borg", "restic":
		default:
			r.Notes = append(r.Notes, "There is no tool "+name+" that this could use.")
			continue
		}
		if _, err := exec.LookPath(name); err != nil {
			r.Notes = append(r.Notes, name+" is not installed (apt-get install borgbackup restic) and was left out.")
			continue
		}
		t, args := borgTool, []string{"--version"}
		if name == "restic" {
			t, args = resticTool, []string{"version"}
		}
		if out, err := exec.CommandContext(ctx, name, args...).Output(); err == nil {
			t.version = versionPattern.FindString(string(out))
		}
		r.Machine.Tools = append(r.Machine.Tools, name+" "+t.version)
		tools = append(tools, t)
	}
	return tools
}
