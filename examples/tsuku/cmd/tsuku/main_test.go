package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func call(args ...string) (int, string, string) {
	var stdout, stderr bytes.Buffer
	status := run(context.Background(), args, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

func TestCommandLine(t *testing.T) {
	for _, row := range []struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		{[]string{"--version"}, done, "tsuku dev\n", ""},
		{[]string{"--help"}, done, "usage: tsuku", ""},
		{[]string{"verify", "--help"}, done, "usage: tsuku", ""},
		{nil, usage, "", "usage: tsuku"},
		{[]string{"--version", "x"}, usage, "", "usage: tsuku"},
		{[]string{"verify"}, usage, "", "needs a file or a folder"},
		{[]string{"verify", "--wrong", "x"}, usage, "", "flag provided but not defined"},
	} {
		status, stdout, stderr := call(row.args...)
		if status != row.status || !strings.HasPrefix(stdout, row.stdout) || !strings.Contains(stderr, row.stderr) {
			t.Errorf("%q: %d %q %q", row.args, status, stdout, stderr)
		}
		if (row.stdout == "") != (stdout == "") {
			t.Errorf("%q: stdout %q", row.args, stdout)
		}
	}
}

func TestVerifyWithoutHelper(t *testing.T) {
	text := filepath.Join(t.TempDir(), "a \x1b[31m")
	if err := os.WriteFile(text, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := call("verify", text)
	if status != failed || !strings.Contains(stdout, `\x1b[31m: not a shared library`) || strings.Contains(stdout, "\x1b") {
		t.Errorf("%d %q", status, stdout)
	}
	if !strings.Contains(stderr, "only their headers were read") {
		t.Errorf("%q", stderr)
	}

	status, stdout, _ = call("verify", "--json", "--skip-dlopen", text)
	var report struct {
		Schema    int
		Dlopen    struct{ Status string }
		Libraries []struct {
			Path string
			OK   bool
		}
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if status != failed || report.Schema != 1 || report.Dlopen.Status != "skipped" || len(report.Libraries) != 1 ||
		report.Libraries[0].Path != text || report.Libraries[0].OK {
		t.Errorf("%d %+v", status, report)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestUnwritableAnswerIsReported(t *testing.T) {
	var stderr bytes.Buffer
	if status := run(context.Background(), []string{"--version"}, full{}, &stderr); status != trouble {
		t.Errorf("%d", status)
	}
	if !strings.Contains(stderr.String(), "disk full") {
		t.Errorf("%q", stderr.String())
	}
}
