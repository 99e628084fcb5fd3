package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// batchSize is how many libraries one call gets: a crash costs a second look at these, no more.
const batchSize = 50

type output struct {
	stdout, stderr []byte
	status         int
}

var errTimeout = errors.New("timed out")

// run calls the helper once, in its own process group, with no input, for CallLimit at most.
func (h *Helper) run(ctx context.Context, args ...string) (output, error) {
	ctx, cancel := context.WithTimeout(ctx, h.CallLimit)
	defer cancel()
	var stdout, stderr limited
	command := exec.CommandContext(ctx, h.Path, args...)
	command.Env = h.Env
	command.Stdout, command.Stderr = &stdout, &stderr
	// Whatever a library started may hold the pipes for ever; the answer does not wait for it.
	command.WaitDelay = 200 * time.Millisecond
	ownGroup(command)
	err := command.Run()
	endGroup(command)
	if ctx.Err() != nil {
		return output{}, fmt.Errorf("%w after %s", errTimeout, h.CallLimit)
	}
	result := output{stdout: stdout.Bytes(), stderr: stderr.Bytes()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		if !exit.Exited() {
			return output{}, fmt.Errorf("crashed (%s)", exit.ProcessState)
		}
		result.status = exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return output{}, err
	}
	if stdout.overflow {
		return output{}, errors.New("printed too much")
	}
	return result, nil
}

type answer struct {
	Path  string `json:"path"`
	OK    bool   `json:"ok"`
	Error string `json:"error"`
}

// ask runs one batch. Any answer that is not exactly what was asked for is an error: a constructor
// can print a good-looking array and end the process.
func (h *Helper) ask(ctx context.Context, paths []string) ([]answer, error) {
	result, err := h.run(ctx, paths...)
	if err != nil {
		return nil, err
	}
	if result.status != 0 && result.status != 1 {
		return nil, fmt.Errorf("ended with status %d: %s", result.status, firstLine(result.stderr))
	}
	var answers []answer
	if err := json.Unmarshal(result.stdout, &answers); err != nil {
		return nil, fmt.Errorf("gave no readable answer: %w", err)
	}
	if len(answers) != len(paths) {
		return nil, fmt.Errorf("gave %d answers to %d libraries", len(answers), len(paths))
	}
	allOK := true
	for i, answer := range answers {
		if answer.Path != paths[i] {
			return nil, fmt.Errorf("answered for %q instead of %q", answer.Path, paths[i])
		}
		allOK = allOK && answer.OK
	}
	if allOK != (result.status == 0) {
		return nil, fmt.Errorf("ended with status %d, which its answers do not say", result.status)
	}
	return answers, nil
}

// Load has every library loaded by the helper. What makes the helper crash, hang or lie is found by
// halving, and only that library fails; what the time budget does not reach fails as not tested.
func (h *Helper) Load(ctx context.Context, paths []string) []Result {
	ctx, cancel := context.WithTimeout(ctx, h.Budget)
	defer cancel()
	results := make([]Result, 0, len(paths))
	for start := 0; start < len(paths); start += batchSize {
		results = append(results, h.isolate(ctx, paths[start:min(start+batchSize, len(paths))])...)
	}
	return results
}

func (h *Helper) isolate(ctx context.Context, paths []string) []Result {
	if ctx.Err() != nil {
		return allFail(paths, fmt.Sprintf("not tested: the time budget of %s is used up", h.Budget))
	}
	answers, err := h.ask(ctx, paths)
	switch {
	case err == nil:
		results := make([]Result, len(paths))
		for i, answer := range answers {
			results[i] = Result{Path: answer.Path, OK: answer.OK, Stage: "dlopen", Error: reason(answer)}
		}
		return results
	case len(paths) == 1:
		return allFail(paths, "the helper "+err.Error())
	}
	middle := len(paths) / 2
	return append(h.isolate(ctx, paths[:middle]), h.isolate(ctx, paths[middle:])...)
}

func reason(answer answer) string {
	if !answer.OK && answer.Error == "" {
		return "the helper gave no reason"
	}
	return answer.Error
}

func allFail(paths []string, text string) []Result {
	results := make([]Result, len(paths))
	for i, path := range paths {
		results[i] = Result{Path: path, Stage: "dlopen", Error: text}
	}
	return results
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	return string(line)
}
