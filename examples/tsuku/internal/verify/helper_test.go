package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestFindHelper(t *testing.T) {
	dir := t.TempDir()
	beside := write(t, filepath.Join(dir, "tsuku-dltest"), "x", 0o755)
	downloaded := write(t, filepath.Join(dir, "tsuku-dltest-linux-amd64-musl"), "x", 0o755)
	elsewhere := write(t, filepath.Join(t.TempDir(), "helper"), "x", 0o755)
	for _, row := range []struct{ program, variable, want string }{
		{filepath.Join(dir, "tsuku"), "", beside},
		{filepath.Join(dir, "renamed"), "", beside},
		{filepath.Join(dir, "tsuku-linux-amd64-musl"), "", downloaded},
		{filepath.Join(dir, "tsuku"), elsewhere, elsewhere},
	} {
		got, err := FindHelper(env(map[string]string{EnvHelper: row.variable}), row.program)
		if err != nil || got != row.want {
			t.Errorf("%+v: %q, %v", row, got, err)
		}
	}
}

func TestNoHelperIsToldFromAWrongVariable(t *testing.T) {
	dir := t.TempDir()
	if _, err := FindHelper(env(nil), filepath.Join(dir, "tsuku")); !errors.Is(err, ErrNoHelper) {
		t.Errorf("no helper: %v", err)
	}
	_, err := FindHelper(env(map[string]string{EnvHelper: filepath.Join(dir, "gone")}), filepath.Join(dir, "tsuku"))
	if err == nil || errors.Is(err, ErrNoHelper) || !strings.Contains(err.Error(), EnvHelper+"=") {
		t.Errorf("a variable that points nowhere: %v", err)
	}
	_, err = FindHelper(env(map[string]string{EnvHelper: dir}), filepath.Join(dir, "tsuku"))
	if err == nil || !strings.Contains(err.Error(), "it is a folder") {
		t.Errorf("a variable that points at a folder: %v", err)
	}
}

func digest(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func TestPin(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Never to be run: running it would leave a trace.
	trace := filepath.Join(dir, "ran")
	older := write(t, filepath.Join(dir, "older"), "#!/bin/sh\necho 'tsuku-dltest v0.2.9'\n", 0o755)
	other := write(t, filepath.Join(dir, "other"), "#!/bin/sh\ntouch "+trace+"\n", 0o755)
	talks := write(t, filepath.Join(dir, "talks"), "#!/bin/sh\necho 'something else'\n", 0o755)
	noLoader := write(t, filepath.Join(dir, "no-loader"), "#!/nonexistent/ld-musl.so\n", 0o755)
	sum := digest(t, self)
	for name, row := range map[string]struct {
		path string
		pin  Pin
		want string // "" accepts
	}{
		"the pinned one":           {self, Pin{"0.3.0", sum}, ""},
		"version only":             {self, Pin{"0.3.0", ""}, ""},
		"dev takes any":            {other, Pin{"dev", ""}, ""},
		"right bytes, wrong claim": {self, Pin{"0.4.0", sum}, "is version 0.3.0, but tsuku dev needs 0.4.0"},
		"half upgraded":            {older, Pin{"0.3.0", sum}, "an upgrade replaced only one of the two"},
		"half upgraded, no digest": {older, Pin{"0.3.0", ""}, "is version 0.2.9, but tsuku dev needs 0.3.0"},
		"another digest":           {other, Pin{"0.3.0", sum}, "is not the helper that tsuku dev was released with"},
		"not a helper":             {talks, Pin{"0.3.0", ""}, "is not a tsuku-dltest"},
		"no loader":                {noLoader, Pin{"0.3.0", ""}, "its loader is not on this system"},
	} {
		_, err := Open(row.path, row.pin, []string{standInEnv + "=0.3.0", "PATH=" + os.Getenv("PATH")}, "/")
		if (err == nil) != (row.want == "") || (err != nil && !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v, wanted %q", name, err, row.want)
		}
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("a helper with another digest was run")
	}
}

func TestCleanEnv(t *testing.T) {
	got := cleanEnv([]string{
		"HOME=/root", "LD_PRELOAD=/evil.so", "LD_SHOW_AUXV=1", "DYLD_INSERT_LIBRARIES=x",
		"GLIBC_TUNABLES=a=b", "LD_LIBRARY_PATH=/a::rel:;/b:", "DYLD_LIBRARY_PATH=:",
	}, "/work dir")
	want := "HOME=/root|LD_LIBRARY_PATH=/a:/work dir/rel:/b"
	if strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
}
