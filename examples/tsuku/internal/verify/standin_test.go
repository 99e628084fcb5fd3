package verify

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// standInEnv turns the test binary into a stand-in for the helper: what a path's base name says is
// what loading it does. Its value is the version it claims.
const standInEnv = "TSUKU_TEST_STANDIN"

func TestMain(m *testing.M) {
	if version, ok := os.LookupEnv(standInEnv); ok {
		os.Exit(standIn(version, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func standIn(version string, args []string) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("tsuku-dltest v" + version)
		return 0
	}
	if log := os.Getenv("TSUKU_TEST_LOG"); log != "" {
		file, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return 70
		}
		fmt.Fprintln(file, len(args))
		file.Close()
	}
	answers := []map[string]any{}
	status := 0
	for _, path := range args {
		answer := map[string]any{"path": path, "ok": true}
		switch base := filepath.Base(path); {
		case strings.HasPrefix(base, "crash"):
			// Not SIGSEGV: the Go runtime of this stand-in would catch it.
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			time.Sleep(time.Minute)
		case strings.HasPrefix(base, "hang"):
			time.Sleep(time.Minute)
		case strings.HasPrefix(base, "fork"):
			// A child that outlives the helper and holds its pipes.
			sleeper := exec.Command("sleep", "60")
			sleeper.Stdout, sleeper.Stderr = os.Stdout, os.Stderr
			if err := sleeper.Start(); err != nil {
				return 71
			}
		case strings.HasPrefix(base, "allclear"):
			fmt.Print("[]")
			return 0
		case strings.HasPrefix(base, "noise"):
			fmt.Println("hello from a constructor")
		case strings.HasPrefix(base, "exit1"):
			return 1
		case strings.HasPrefix(base, "bad"):
			answer["ok"], answer["error"], status = false, "undefined symbol: f", 1
		}
		answers = append(answers, answer)
	}
	text, err := json.Marshal(answers)
	if err != nil {
		return 72
	}
	fmt.Println(string(text))
	return status
}

// newStandIn is a helper whose calls may take half a second.
func newStandIn(t *testing.T, extra ...string) *Helper {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Helper{
		Path:      path,
		Env:       append([]string{standInEnv + "=0.3.0", "PATH=" + os.Getenv("PATH")}, extra...),
		CallLimit: 500 * time.Millisecond,
		Budget:    time.Minute,
	}
}
