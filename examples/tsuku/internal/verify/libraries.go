package verify

import (
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// errNotLibrary says that a file is readable and is not a shared library: passed over in a folder,
// an error when the file was named.
var errNotLibrary = errors.New("not a shared library")

// Result is the verdict on one library.
type Result struct {
	Path string `json:"path"`
	OK   bool   `json:"ok"`
	// Stage is where the verdict was reached: "header" or "dlopen".
	Stage string `json:"stage"`
	Error string `json:"error,omitempty"`
}

// candidates lists what the arguments stand for, in their order: a file as itself, a folder as the
// shared libraries below it. Links in a folder are passed over, since what they point to is met
// under its own name. All paths are absolute: a bare name would send dlopen to its search path.
func candidates(args []string) ([]Result, error) {
	var found []Result
	seen := map[string]bool{}
	add := func(path string, named bool) {
		if seen[path] {
			return
		}
		seen[path] = true
		err := checkHeader(path)
		if errors.Is(err, errNotLibrary) && !named {
			return
		}
		result := Result{Path: path, OK: err == nil, Stage: "header"}
		if err != nil {
			result.Error = err.Error()
		}
		found = append(found, result)
	}
	for _, arg := range args {
		path, err := filepath.Abs(arg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			add(path, true)
			continue
		}
		err = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.Type().IsRegular() {
				add(path, false)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("cannot list %s: %w", arg, err)
		}
	}
	return found, nil
}

// checkHeader asks whether the file is a shared library for this machine, from its first bytes.
// What is not a regular file is never opened: a FIFO would block for ever.
func checkHeader(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return unwrapPath(err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is a %s", errNotLibrary, kindOf(info.Mode()))
	}
	file, err := os.Open(path)
	if err != nil {
		return unwrapPath(err)
	}
	defer file.Close()
	var magic [4]byte
	if _, err := file.ReadAt(magic[:], 0); err != nil {
		return fmt.Errorf("%w: it is too short", errNotLibrary)
	}
	switch {
	case string(magic[:]) == elf.ELFMAG:
		return checkELF(file)
	case isMachO(magic):
		return checkMachO(file, magic)
	}
	return errNotLibrary
}

var elfMachines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

func checkELF(file *os.File) error {
	header, err := elf.NewFile(file)
	if err != nil {
		return fmt.Errorf("broken ELF file: %w", err)
	}
	if header.Type != elf.ET_DYN {
		return fmt.Errorf("%w: it is an ELF file of type %s", errNotLibrary, header.Type)
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("a Linux library (ELF), but this is %s", runtime.GOOS)
	}
	if want := elfMachines[runtime.GOARCH]; header.Machine != want {
		return fmt.Errorf("built for %s, but this machine is %s", header.Machine, want)
	}
	return nil
}

var machoCPUs = map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}

func isMachO(magic [4]byte) bool {
	switch magic {
	case [4]byte{0xcf, 0xfa, 0xed, 0xfe}, [4]byte{0xca, 0xfe, 0xba, 0xbe}:
		return true
	}
	return false
}

func checkMachO(file *os.File, magic [4]byte) error {
	var slices []*macho.File
	if magic[0] == 0xca {
		fat, err := macho.NewFatFile(file)
		if err != nil { // also a Java class file, which shares the magic
			return errNotLibrary
		}
		for _, arch := range fat.Arches {
			slices = append(slices, arch.File)
		}
	} else {
		thin, err := macho.NewFile(file)
		if err != nil {
			return fmt.Errorf("broken Mach-O file: %w", err)
		}
		slices = append(slices, thin)
	}
	for _, slice := range slices {
		if slice.Type != macho.TypeDylib && slice.Type != macho.TypeBundle {
			return fmt.Errorf("%w: it is a Mach-O file of type %s", errNotLibrary, slice.Type)
		}
		if runtime.GOOS == "darwin" && slice.Cpu == machoCPUs[runtime.GOARCH] {
			return nil
		}
	}
	if runtime.GOOS != "darwin" {
		return fmt.Errorf("a macOS library (Mach-O), but this is %s", runtime.GOOS)
	}
	return fmt.Errorf("has no slice for %s", runtime.GOARCH)
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "folder"
	case mode&fs.ModeNamedPipe != 0:
		return "FIFO"
	case mode&fs.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}

// unwrapPath drops the operation and the path from an error that is printed behind the path.
func unwrapPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
