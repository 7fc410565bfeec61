package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// rawStrings has the command line's strings taken as the bytes that they are:
// kong's own mapper passes them through JSON, which turns what is not UTF-8
// into U+FFFD, so that no such file could be named.
func rawStrings() kong.Option {
	return kong.KindMapper(reflect.String, kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		t, err := ctx.Scan.PopValue("string")
		if err != nil {
			return err
		}
		s, ok := t.Value.(string)
		if !ok {
			return fmt.Errorf("expected a string, not %v", t.Value)
		}
		target.SetString(s)
		return nil
	}))
}

// flagsFirst moves the options of a command before its arguments, because kong
// ends a list of arguments at the first option: `snapshot A --label x B`.
// Their order among each other stays. What it does not know it leaves to kong,
// for the error.
func flagsFirst(node *kong.Node, args []string) []string {
	var flags, positional []string
	mixed := false // an option stands behind an argument
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			positional = append(positional, args[i+1:]...)
			break
		}
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			command := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == arg })
			switch {
			case len(node.Children) == 0:
				positional = append(positional, arg)
			case command < 0:
				return args
			default:
				node = node.Children[command]
				flags = append(flags, arg)
			}
			continue
		}
		mixed = mixed || len(positional) > 0
		flags = append(flags, arg)
		takesNext, known := takesNext(node, arg)
		if !known {
			return args
		}
		if takesNext {
			if i++; i == len(args) {
				return args // its value is missing
			}
			flags = append(flags, args[i])
		}
	}
	if !mixed {
		return args
	}
	return slices.Concat(flags, []string{"--"}, positional)
}

// takesNext reports whether the argument behind an option is its value.
func takesNext(node *kong.Node, arg string) (takes, known bool) {
	if long, ok := strings.CutPrefix(arg, "--"); ok {
		name, _, joined := strings.Cut(long, "=")
		flag := findFlag(node, func(f *kong.Flag) bool {
			return f.Name == name || slices.Contains(f.Aliases, name) || f.Tag.Negatable != "" && "no-"+f.Name == name
		})
		return flag != nil && !joined && !flag.IsBool(), flag != nil
	}
	for letters := arg[1:]; letters != ""; letters = letters[1:] {
		flag := findFlag(node, func(f *kong.Flag) bool { return f.Short == rune(letters[0]) })
		if flag == nil || !flag.IsBool() { // the rest is its value
			return flag != nil && len(letters) == 1, flag != nil
		}
	}
	return false, true
}

// findFlag finds an option of a command or of those that it belongs to.
func findFlag(node *kong.Node, is func(*kong.Flag) bool) *kong.Flag {
	for ; node != nil; node = node.Parent {
		if i := slices.IndexFunc(node.Flags, is); i >= 0 {
			return node.Flags[i]
		}
	}
	return nil
}
