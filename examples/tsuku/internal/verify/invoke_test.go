package verify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func good(n int) []string {
	var paths []string
	for i := range n {
		paths = append(paths, fmt.Sprintf("/lib/good%d.so", i))
	}
	return paths
}

// One library of each kind among 60 good ones: it alone fails, and every answer is in order.
func TestOneBadLibraryFailsAlone(t *testing.T) {
	for base, want := range map[string]string{
		"bad.so":      "undefined symbol: f",
		"crash.so":    "crashed (signal: killed",
		"hang.so":     "timed out after 500ms",
		"allclear.so": "gave 0 answers to 1 libraries",
		"noise.so":    "gave no readable answer",
		"exit1.so":    "gave no readable answer",
	} {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			paths := good(60)
			paths[17] = "/lib/" + base
			results := newStandIn(t).Load(context.Background(), paths)
			if len(results) != len(paths) {
				t.Fatalf("%d results for %d paths", len(results), len(paths))
			}
			for i, result := range results {
				if result.Path != paths[i] || result.Stage != "dlopen" {
					t.Errorf("result %d is %+v", i, result)
				}
				switch {
				case i == 17 && (result.OK || !strings.Contains(result.Error, want)):
					t.Errorf("%s: %+v, wanted an error with %q", base, result, want)
				case i != 17 && !result.OK:
					t.Errorf("a good library failed: %+v", result)
				}
			}
		})
	}
}

func TestBatchesOfFifty(t *testing.T) {
	log := filepath.Join(t.TempDir(), "calls")
	newStandIn(t, "TSUKU_TEST_LOG="+log).Load(context.Background(), good(120))
	calls, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(calls)); strings.Join(got, " ") != "50 50 20" {
		t.Errorf("calls of %v", got)
	}
}

func TestLeftOverChildDoesNotHoldTheAnswer(t *testing.T) {
	start := time.Now()
	helper := newStandIn(t)
	helper.CallLimit = 20 * time.Second
	results := helper.Load(context.Background(), []string{"/lib/fork.so"})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if !results[0].OK {
		t.Errorf("%+v", results[0])
	}
}

func TestBudgetEndsTheRun(t *testing.T) {
	helper := newStandIn(t)
	helper.Budget = 700 * time.Millisecond
	var paths []string
	for i := range 40 {
		paths = append(paths, fmt.Sprintf("/lib/hang%d.so", i))
	}
	start := time.Now()
	results := helper.Load(context.Background(), paths)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	last := results[len(results)-1]
	if last.OK || !strings.Contains(last.Error, "time budget of 700ms is used up") {
		t.Errorf("%+v", last)
	}
}
