package verify

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// library writes the smallest file that is an ELF shared library by its header.
func library(t *testing.T, path string, machine elf.Machine, kind elf.Type) string {
	t.Helper()
	header := make([]byte, 64)
	copy(header, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(header[16:], uint16(kind))
	binary.LittleEndian.PutUint16(header[18:], uint16(machine))
	binary.LittleEndian.PutUint32(header[20:], 1)
	binary.LittleEndian.PutUint16(header[52:], 64)
	binary.LittleEndian.PutUint16(header[54:], 56)
	binary.LittleEndian.PutUint16(header[58:], 64)
	return write(t, path, string(header), 0o644)
}

func needsLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads ELF libraries as a Linux host does")
	}
}

func TestFolderIsSearched(t *testing.T) {
	needsLinux(t)
	dir := t.TempDir()
	here, foreign := elfMachines[runtime.GOARCH], elf.EM_S390
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	a := library(t, filepath.Join(dir, "a.so.1"), here, elf.ET_DYN)
	b := library(t, filepath.Join(dir, "sub", "b.so"), foreign, elf.ET_DYN)
	library(t, filepath.Join(dir, "program"), here, elf.ET_EXEC)
	write(t, filepath.Join(dir, "README"), "text", 0o644)
	write(t, filepath.Join(dir, "empty"), "", 0o644)
	write(t, filepath.Join(dir, "Some.class"), "\xca\xfe\xba\xbe\x00\x00\x00\x34", 0o644)
	if err := os.Symlink("a.so.1", filepath.Join(dir, "a.so")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := candidates([]string{dir, a})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || found[0].Path != a || !found[0].OK || found[1].Path != b ||
		!strings.Contains(found[1].Error, "built for EM_S390") {
		t.Errorf("%+v", found)
	}
}

func TestNamedFilesAreJudged(t *testing.T) {
	needsLinux(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "gone.so"): "no such file",
		fifo:                          "it is a FIFO",
		write(t, filepath.Join(dir, "text"), "text", 0o644):                  "not a shared library",
		write(t, filepath.Join(dir, "cut.so"), "\x7fELF\x02\x01\x01", 0o644): "broken ELF file",
		library(t, filepath.Join(dir, "p"), elf.EM_X86_64, elf.ET_EXEC):      "ELF file of type ET_EXEC",
	} {
		found, err := candidates([]string{path})
		if err != nil || len(found) != 1 || found[0].OK || !strings.Contains(found[0].Error, want) {
			t.Errorf("%s: %+v, %v", path, found, err)
		}
	}
}

// The whole run with the stand-in helper: header failures never reach it, order is kept.
func TestRun(t *testing.T) {
	needsLinux(t)
	dir := t.TempDir()
	here := elfMachines[runtime.GOARCH]
	fine := library(t, filepath.Join(dir, "fine.so"), here, elf.ET_DYN)
	crash := library(t, filepath.Join(dir, "crash.so"), here, elf.ET_DYN)
	text := write(t, filepath.Join(dir, "text"), "text", 0o644)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		Version:    "0.3.0",
		Pin:        Pin{"0.3.0", digest(t, self)},
		Executable: filepath.Join(dir, "tsuku"),
		Getenv:     env(map[string]string{EnvHelper: self}),
		Environ:    []string{standInEnv + "=0.3.0"},
		Cwd:        dir,
	}
	report, err := Run(context.Background(), options, []string{text, crash, fine})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, library := range report.Libraries {
		got = append(got, filepath.Base(library.Path)+" "+library.Stage+" "+map[bool]string{true: "ok", false: "FAIL"}[library.OK])
	}
	if want := "text header FAIL|crash.so dlopen FAIL|fine.so dlopen ok"; strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
	if report.Dlopen.Status != "ran" || report.Failed() != 2 {
		t.Errorf("%+v", report)
	}

	options.Getenv = env(nil)
	report, err = Run(context.Background(), options, []string{fine})
	if err != nil || report.Dlopen.Status != "absent" || !report.Libraries[0].OK {
		t.Errorf("without a helper: %+v, %v", report, err)
	}
	options.SkipDlopen = true
	options.Getenv = env(map[string]string{EnvHelper: "/gone"})
	report, err = Run(context.Background(), options, []string{crash})
	if err != nil || report.Dlopen.Status != "skipped" || report.Failed() != 0 {
		t.Errorf("--skip-dlopen: %+v, %v", report, err)
	}
}
