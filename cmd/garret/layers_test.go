package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport lists, for each part of the module, the parts it may import
// besides itself. The data flow reads straight because nothing goes against
// it: source → chunking → store → backend, and back to the mount.
var mayImport = map[string][]string{
	"keys":     nil,
	"chunking": nil,
	"index":    nil,
	"fs":       {"chunking", "index"},
	"store":    {"index", "keys"},
	"cmd":      {"fs", "store", "keys", "chunking", "index"},
	"bench":    {"fs", "store", "keys", "chunking", "index"},
}

// Tests of store may build what they check from anything but fs, and a format
// test writes a repository with the real code.
var testsMayImport = map[string][]string{
	"store/formattest": {"fs", "chunking", "index", "keys", "store"},
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "garret/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	type goPackage struct {
		ImportPath                         string
		Imports, TestImports, XTestImports []string
	}
	packages := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p goPackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages++
		path := strings.TrimPrefix(p.ImportPath, "garret/")
		part := first(path)
		allowed, known := mayImport[part]
		if !known {
			t.Errorf("%s is in no part of the code map", p.ImportPath)
		}
		check := func(imports, allowed []string) {
			for _, imported := range imports {
				rest, ours := strings.CutPrefix(imported, "garret/")
				if !ours || first(rest) == part {
					continue
				}
				if !slices.Contains(allowed, first(rest)) {
					t.Errorf("%s imports %s, against the direction of the layers", p.ImportPath, imported)
				}
			}
		}
		check(p.Imports, allowed)
		check(append(p.TestImports, p.XTestImports...), append(allowed, testsMayImport[path]...))
		for _, imported := range p.Imports {
			if path == "store/backend" && strings.HasPrefix(imported, "garret/store/backend/") {
				t.Errorf("%s knows the backend %s", p.ImportPath, imported)
			}
		}
	}
	if packages < 15 {
		t.Errorf("only %d packages were looked at", packages)
	}
}

func first(path string) string {
	part, _, _ := strings.Cut(path, "/")
	return part
}
