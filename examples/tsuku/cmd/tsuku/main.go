// Command tsuku verifies shared libraries: see internal/verify.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tsukumogami/tsuku/internal/buildinfo"
	"github.com/tsukumogami/tsuku/internal/verify"
)

// Exit statuses.
const (
	done    = 0
	failed  = 1 // a library did not pass
	usage   = 2
	trouble = 3 // no verdict: the helper is not the pinned one, or an argument cannot be listed
)

const help = `usage: tsuku --version
       tsuku --help
       tsuku verify [--skip-dlopen] [--json] DIR|FILE...

verify tells whether shared libraries can be loaded: from their headers, then by loading each one
in the helper tsuku-dltest, found beside this program or where TSUKU_DLTEST_PATH points.
Exit status: 0 all pass, 1 some do not, 2 usage, 3 no verdict.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 1 && args[0] == "--version":
		return print(stdout, stderr, buildinfo.Line()+"\n", done)
	case len(args) == 1 && args[0] == "--help":
		return print(stdout, stderr, help, done)
	case len(args) > 0 && args[0] == "verify":
		return runVerify(ctx, args[1:], stdout, stderr)
	}
	fmt.Fprint(stderr, help)
	return usage
}

func runVerify(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	skip := flags.Bool("skip-dlopen", false, "")
	asJSON := flags.Bool("json", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return print(stdout, stderr, help, done)
	case err != nil:
		fmt.Fprintf(stderr, "error: %v\n%s", err, help)
		return usage
	case flags.NArg() == 0:
		fmt.Fprintf(stderr, "error: verify needs a file or a folder\n%s", help)
		return usage
	}
	options, err := environment()
	if err == nil {
		options.SkipDlopen = *skip
		var report *verify.Report
		if report, err = verify.Run(ctx, options, flags.Args()); err == nil {
			return show(report, *asJSON, stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "error: %v\n", err)
	return trouble
}

func environment() (verify.Options, error) {
	executable, err := os.Executable()
	if err == nil {
		executable, err = filepath.EvalSymlinks(executable)
	}
	if err != nil {
		return verify.Options{}, fmt.Errorf("cannot tell where this program lies: %w", err)
	}
	cwd, err := os.Getwd()
	if err != nil {
		return verify.Options{}, fmt.Errorf("cannot tell the current folder: %w", err)
	}
	return verify.Options{
		Version:    buildinfo.Version(),
		Pin:        verify.Released(),
		Executable: executable,
		Getenv:     os.Getenv,
		Environ:    os.Environ(),
		Cwd:        cwd,
	}, nil
}

func show(report *verify.Report, asJSON bool, stdout, stderr io.Writer) int {
	if report.Dlopen.Status == "absent" {
		fmt.Fprintf(stderr, "warning: libraries were not loaded, only their headers were read: %s\n", report.Dlopen.Reason)
	}
	status := done
	if report.Failed() > 0 {
		status = failed
	}
	if asJSON {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			fmt.Fprintf(stderr, "error: %v\n", err)
			return trouble
		}
		return print(stdout, stderr, string(text)+"\n", status)
	}
	var text strings.Builder
	for _, library := range report.Libraries {
		if library.OK {
			fmt.Fprintf(&text, "ok    %s\n", printable(library.Path))
		} else {
			fmt.Fprintf(&text, "FAIL  %s: %s\n", printable(library.Path), printable(library.Error))
		}
	}
	fmt.Fprintf(&text, "%d libraries, %d failed (dlopen: %s)\n", len(report.Libraries), report.Failed(), report.Dlopen.Status)
	return print(stdout, stderr, text.String(), status)
}

// printable keeps a library's own words from driving the terminal.
func printable(text string) string {
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// print reports an answer that could not be written instead of ending as if it had been.
func print(stdout, stderr io.Writer, text string, status int) int {
	if _, err := io.WriteString(stdout, text); err != nil {
		fmt.Fprintf(stderr, "error: cannot write the answer: %v\n", err)
		return trouble
	}
	return status
}
