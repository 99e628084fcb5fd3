package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tsukumogami/tsuku/internal/buildinfo"
)

// The helper that was released with this program; set with -ldflags "-X …" by the release's build.
// "dev" accepts any helper. The digest is that of the helper of the same platform and libc.
var (
	pinnedDltestVersion = "dev"
	pinnedDltestSHA256  = ""
)

// EnvHelper names the variable that points at the helper, instead of the one beside this program.
const EnvHelper = "TSUKU_DLTEST_PATH"

const helperName = "tsuku-dltest"

// ErrNoHelper says that there is no helper: the dlopen test is passed over with a warning.
var ErrNoHelper = errors.New("no " + helperName + " beside this program")

// Pin is what a helper must be.
type Pin struct {
	// Version without a leading "v"; "dev" accepts any.
	Version string
	// SHA256 in lower-case hexadecimal digits; empty where none was pinned.
	SHA256 string
}

// Released is the pin this program was built with.
func Released() Pin { return Pin{Version: pinnedDltestVersion, SHA256: pinnedDltestSHA256} }

// FindHelper gives the helper's path: what TSUKU_DLTEST_PATH says, else the one beside this program.
func FindHelper(getenv func(string) string, executable string) (string, error) {
	if path := getenv(EnvHelper); path != "" {
		if err := regular(path); err != nil {
			return "", fmt.Errorf("%s=%s: %w", EnvHelper, path, err)
		}
		return filepath.Abs(path)
	}
	path := filepath.Join(filepath.Dir(executable), besideName(filepath.Base(executable)))
	switch err := regular(path); {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w (looked for %s)", ErrNoHelper, path)
	case err != nil:
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return path, nil
}

// besideName is the helper's name beside a program of this name: tsuku-linux-amd64 as downloaded
// goes with tsuku-dltest-linux-amd64.
func besideName(program string) string {
	if rest, ok := strings.CutPrefix(program, "tsuku"); ok {
		return helperName + rest
	}
	return helperName
}

func regular(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return unwrapPath(err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is a %s, not a file", kindOf(info.Mode()))
	}
	return nil
}

// Helper is a helper that was found to be the pinned one.
type Helper struct {
	Path string
	// Env is the helper's whole environment.
	Env []string
	// CallLimit bounds one call.
	CallLimit time.Duration
	// Budget bounds all calls together.
	Budget time.Duration
}

// Open checks that the file at path is the pinned helper. A file with another digest is never run.
func Open(path string, pin Pin, environ []string, cwd string) (*Helper, error) {
	helper := &Helper{
		Path:      path,
		Env:       cleanEnv(environ, cwd),
		CallLimit: 5 * time.Second,
		Budget:    60 * time.Second,
	}
	if pin.Version == "dev" {
		return helper, nil
	}
	if pin.SHA256 != "" {
		if err := checkDigest(path, pin); err != nil {
			return nil, err
		}
	}
	return helper, helper.checkVersion(pin)
}

// checkDigest never runs the file: it may be anything.
func checkDigest(path string, pin Pin) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read the helper %s: %w", path, unwrapPath(err))
	}
	sum := sha256.Sum256(content)
	found := hex.EncodeToString(sum[:])
	if found == pin.SHA256 {
		return nil
	}
	return fmt.Errorf("%s is not the helper that tsuku %s was released with: an upgrade replaced only one of the two, "+
		"or the file was changed (its sha256 is %s, released was %s); install both from release %s, or pass --skip-dlopen",
		path, buildinfo.Version(), found, pin.SHA256, pin.Version)
}

func (h *Helper) checkVersion(pin Pin) error {
	output, err := h.run(context.Background(), "--version")
	if err != nil {
		return fmt.Errorf("the helper %s does not start: %w; install the one for this system, or pass --skip-dlopen",
			h.Path, startHint(err))
	}
	// Older helpers print their version on stderr.
	line := strings.TrimSpace(string(bytes.TrimSpace(output.stdout)) + string(bytes.TrimSpace(output.stderr)))
	version, ok := strings.CutPrefix(line, helperName+" v")
	if output.status != 0 || !ok {
		return fmt.Errorf("%s is not a %s: --version ended with %d and said %q", h.Path, helperName, output.status, line)
	}
	if version != pin.Version {
		return wrongVersion(h.Path, version, pin)
	}
	return nil
}

func wrongVersion(path, version string, pin Pin) error {
	return fmt.Errorf("%s is version %s, but tsuku %s needs %s: an upgrade replaced only one of the two; "+
		"install both from one release, or pass --skip-dlopen", path, version, buildinfo.Version(), pin.Version)
}

// startHint explains the kernel's "no such file" for a file that is there: its loader is not.
func startHint(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (its loader is not on this system: a glibc helper on musl, or the reverse)", err)
	}
	return err
}

// limited keeps the first bytes written to it and swallows the rest.
type limited struct {
	bytes.Buffer
	overflow bool
}

const outputLimit = 4 << 20

func (l *limited) Write(p []byte) (int, error) {
	room := outputLimit - l.Len()
	if room < len(p) {
		l.overflow = true
		l.Buffer.Write(p[:room])
		return len(p), nil
	}
	return l.Buffer.Write(p)
}

var _ io.Writer = (*limited)(nil)
