// Package pattern selects paths by BorgBackup's patterns, so that files and
// options made for Borg 1.x work unchanged.
//
// A List is built from what the command line gives, in its order, and then asked
// for a Verdict on each path of a walk. The first rule that matches decides, and
// a path that none matches is included; if there are path arguments (Select),
// it is left out instead.
//
//	--exclude, --exclude-from     PATTERN          fm unless it begins with a style; prunes, as ! does
//	--pattern, --patterns-from    + PATTERN        include
//	                              - PATTERN        exclude, but look at what is below
//	                              ! PATTERN        exclude with all that is below
//	                              R PATH           a root: a source, or a path argument
//	                              P STYLE          default style of the lines that follow (files only)
//	path arguments                PATTERN          pp unless it begins with a style
//
// Files hold one such line each; white space at both ends, empty lines and lines
// that begin with # do not count.
//
// # Styles
//
// A pattern that begins with two letters or digits and a colon names its style.
// Paths have no leading slash, and those of patterns do not count; but for re,
// "." and ".." elements and doubled slashes of a pattern are resolved.
//
//	fm:  shell pattern: * any characters, / too; ? one character; [abc], [a-z], [!abc]
//	sh:  shell pattern whose * and ? do not match /; **/ is zero or more directories
//	re:  regular expression, found anywhere in the path
//	pp:  this path and everything below it
//	pf:  this path alone; looked up before all other rules, whatever their order
//
// fm, sh and pp match the whole path or a part of it that ends before a slash,
// so everything below a directory that matches matches too. A fm or sh pattern
// that ends in a slash matches what is in the directory, not itself. There is no
// escape character: [*] matches an asterisk. Braces have no meaning, as in Borg
// 1.x.
//
// # Bytes
//
// Names are bytes. What is UTF-8 is compared by character, any other byte
// counts as one character that equals only itself. Letters match in their case.
// Patterns are not normalised: é as one code point and as two are different, as
// on every system but macOS in Borg.
//
// # Regular expressions
//
// They are Python's, which Borg uses, carried over to Go's, which need no more
// than linear time. \w, \d, \s mean Unicode's letters, digits and space, \Z is
// the end and $ also stands before a last newline, as in Python. \b and \B know
// ASCII letters only. Look-around, backreferences, atomic groups, conditionals,
// possessive repetition, (?x) and counts above 1000 are errors that say so.
package pattern
