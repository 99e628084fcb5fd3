// Package verify tells whether shared libraries can be loaded: first from their headers, then by
// loading each one in the helper tsuku-dltest, so that a library that crashes takes no one with it.
package verify

import (
	"context"
	"errors"
)

// Report is the outcome of one run.
type Report struct {
	Schema  int    `json:"schema"`
	Version string `json:"version"`
	Dlopen  Dlopen `json:"dlopen"`
	// Libraries in the order of the arguments.
	Libraries []Result `json:"libraries"`
}

// Dlopen tells whether the loading test was done.
type Dlopen struct {
	// Status is "ran", "skipped" (asked for) or "absent" (no helper).
	Status string `json:"status"`
	Helper string `json:"helper,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Failed counts the libraries that did not pass.
func (r *Report) Failed() int {
	failed := 0
	for _, result := range r.Libraries {
		if !result.OK {
			failed++
		}
	}
	return failed
}

// Options of one run.
type Options struct {
	Version    string
	SkipDlopen bool
	Pin        Pin
	// Executable is this program's own path, links resolved.
	Executable string
	Getenv     func(string) string
	Environ    []string
	Cwd        string
}

// Run verifies what the arguments stand for. An error means that there is no verdict: an argument
// cannot be listed, or the helper that is there is not the pinned one.
func Run(ctx context.Context, options Options, args []string) (*Report, error) {
	libraries, err := candidates(args)
	if err != nil {
		return nil, err
	}
	report := &Report{Schema: 1, Version: options.Version, Libraries: libraries}
	if options.SkipDlopen {
		report.Dlopen = Dlopen{Status: "skipped", Reason: "--skip-dlopen"}
		return report, nil
	}
	path, err := FindHelper(options.Getenv, options.Executable)
	if errors.Is(err, ErrNoHelper) {
		report.Dlopen = Dlopen{Status: "absent", Reason: err.Error()}
		return report, nil
	}
	if err != nil {
		return nil, err
	}
	helper, err := Open(path, options.Pin, options.Environ, options.Cwd)
	if err != nil {
		return nil, err
	}
	report.Dlopen = Dlopen{Status: "ran", Helper: path}
	load(ctx, helper, report.Libraries)
	return report, nil
}

// load replaces the verdict on every library whose header is good.
func load(ctx context.Context, helper *Helper, libraries []Result) {
	var paths []string
	var at []int
	for i, library := range libraries {
		if library.OK {
			paths, at = append(paths, library.Path), append(at, i)
		}
	}
	for i, result := range helper.Load(ctx, paths) {
		libraries[at[i]] = result
	}
}
