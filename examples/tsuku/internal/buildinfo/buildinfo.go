// Package buildinfo holds what the release's build writes into the program.
package buildinfo

// Set with -ldflags "-X …", never by editing sources. Versions are written without a leading "v"
// everywhere; only what is printed for people carries it, see [Line].
var (
	version = "dev"
	commit  = ""
)

// Version is the program's version, for example "0.3.0", or "dev" for a build outside a release.
func Version() string { return version }

// Commit is the commit the program was built from, or "" outside a release.
func Commit() string { return commit }

// Line is what --version prints: the form that the helper uses too.
func Line() string {
	if version == "dev" {
		return "tsuku dev"
	}
	return "tsuku v" + version
}
