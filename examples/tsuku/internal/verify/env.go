package verify

import (
	"path/filepath"
	"strings"
)

// The two search paths that a caller may set on purpose. Every other variable of a dynamic loader
// changes what is loaded or what is printed, and would change the verdict.
var searchPaths = map[string]bool{"LD_LIBRARY_PATH": true, "DYLD_LIBRARY_PATH": true}

// cleanEnv gives the helper the caller's environment without the loader's variables. Search paths
// stay, made absolute against cwd and without empty entries: ld.so reads an empty entry as the
// current folder.
func cleanEnv(environ []string, cwd string) []string {
	kept := make([]string, 0, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case searchPaths[name]:
			if value = absoluteEntries(value, cwd); value != "" {
				kept = append(kept, name+"="+value)
			}
		case strings.HasPrefix(name, "LD_"), strings.HasPrefix(name, "DYLD_"), name == "GLIBC_TUNABLES":
		default:
			kept = append(kept, entry)
		}
	}
	return kept
}

// absoluteEntries cleans one search path. ld.so splits at ';' as well as at ':'.
func absoluteEntries(value, cwd string) string {
	var entries []string
	for _, entry := range strings.FieldsFunc(value, func(r rune) bool { return r == ':' || r == ';' }) {
		if !filepath.IsAbs(entry) {
			entry = filepath.Join(cwd, entry)
		}
		entries = append(entries, entry)
	}
	return strings.Join(entries, ":")
}
