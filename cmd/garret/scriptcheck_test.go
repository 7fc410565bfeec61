package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// exitCode runs a command and returns its exit code, 128+n after a signal that it
// did not catch.
func exitCode(ts *testscript.TestScript, args []string) int {
	if len(args) == 0 {
		ts.Fatalf("no command")
	}
	err := ts.Exec(args[0], args[1:]...)
	var failed *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &failed):
		ts.Fatalf("%v", err)
	}
	return failed.ExitCode()
}

func wantCode(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, args[1:]); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code CODE COMMAND…")
	}
	wantCode(ts, args)
}

// notForPeople is what a user should never see in an error.
var notForPeople = regexp.MustCompile(`%!|0xc0[0-9a-f]{8}|<nil>|&\{|\{[A-Z]\w*:|goroutine|panic|runtime error|\.go:\d|\bmap\[|\[\]|` +
	`\b(errors|exec|fmt|fs|os|syscall|unix|json|kong|store|backend|local|object|keys|codec|tree|view|index|mount|snapshot|restore|term|main)\.[A-Z]`)

func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails CODE COMMAND…")
	}
	wantCode(ts, args)
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("a command that failed wrote to stdout: %q", out)
	}
	text := ts.ReadFile("stderr")
	line, rest, whole := strings.Cut(text, "\n")
	switch {
	case !strings.HasPrefix(line, "garret: "), !whole, rest != "":
		ts.Fatalf("stderr is not one line that begins with \"garret: \": %q", text)
	case notForPeople.MatchString(line):
		ts.Fatalf("stderr is not for people: %q in %q", notForPeople.FindString(line), text)
	case strings.Contains(line, ": :") || strings.HasSuffix(line, ": ") || strings.HasSuffix(line, "; "):
		ts.Fatalf("something is missing in %q", text)
	}
}

func cmdSilent(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: silent COMMAND…")
	}
	if code := exitCode(ts, args); code != 0 {
		ts.Fatalf("exit code %d", code)
	}
	if text := ts.ReadFile("stdout") + ts.ReadFile("stderr"); text != "" {
		ts.Fatalf("not silent: %q", text)
	}
}

func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: capture NAME")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

var jsonCondition = regexp.MustCompile(`^([\w.]+)(=|~|<|>)(.*)$`)

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	want := -1
	if len(args) > 0 && strings.HasPrefix(args[0], "-count=") {
		n, err := strconv.Atoi(strings.TrimPrefix(args[0], "-count="))
		ts.Check(err)
		want, args = n, args[1:]
	}
	text, ended := strings.CutSuffix(ts.ReadFile("stdout"), "\n")
	if !ended {
		ts.Fatalf("stdout does not end with a line: %q", text)
	}
	fits := 0
	for _, line := range strings.Split(text, "\n") {
		var object map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&object); err != nil {
			ts.Fatalf("not a JSON object: %v: %q", err, line)
		}
		if _, err := d.Token(); err != io.EOF {
			ts.Fatalf("more than a JSON object: %q", line)
		}
		ok := true
		for _, arg := range args {
			fit, err := jsonFits(object, arg)
			ts.Check(err)
			ok = ok && fit
		}
		if ok {
			fits++
		}
	}
	switch {
	case neg && fits > 0:
		ts.Fatalf("%d lines fit %q", fits, args)
	case !neg && want < 0 && fits == 0:
		ts.Fatalf("no line fits %q", args)
	case want >= 0 && fits != want:
		ts.Fatalf("%d lines fit %q, want %d", fits, args, want)
	}
}

// jsonFits looks up a.b.0 and compares: = as text, ~ with a regular
// expression, < and > as numbers. A field that is not there is empty.
func jsonFits(object any, arg string) (bool, error) {
	m := jsonCondition.FindStringSubmatch(arg)
	if m == nil {
		return false, fmt.Errorf("%q is no condition", arg)
	}
	at := object
	for _, key := range strings.Split(m[1], ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				return false, err
			}
			at = v[i]
		default:
			at = nil
		}
	}
	text, isText := at.(string)
	if !isText && at != nil {
		b, err := json.Marshal(at)
		if err != nil {
			return false, err
		}
		text = string(b)
	}
	switch m[2] {
	case "=":
		return text == m[3], nil
	case "~":
		return regexp.MatchString(m[3], text)
	}
	if at == nil {
		return false, nil
	}
	got, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return false, fmt.Errorf("%s: %w", m[1], err)
	}
	bound, err := strconv.ParseFloat(m[3], 64)
	return (m[2] == "<") == (got < bound) && got != bound, err
}
