package harness

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// writeInputs writes every request body to inputs.json, in AIPerf's form, and hashes them. Bodies of more than the limit are left to
// their recipe: a run must not wait for gigabytes that it can make again.
func (r *levelRun) writeInputs(path string) error {
	hash := sha256.New()
	if r.sweep.Plan.Duration > 0 && !r.level.Open() { // most are never sent
		return r.writeRecipe(path)
	}
	err := record.WriteFile(path, func(w io.Writer) error {
		size := int64(0)
		separator := "{\"data\":[\n"
		for request := range r.requests() {
			if err := r.sweep.interrupted(); err != nil {
				return err
			}
			if request.Err != nil {
				return request.Err
			}
			hash.Write(request.Body)
			if size += int64(len(request.Body)); size > r.sweep.inputsLimit {
				return errInputsTooLarge
			}
			if _, err := fmt.Fprintf(w, "%s{\"session_id\":%q,\"payloads\":[%s]}", separator, request.ID, request.Body); err != nil {
				return err
			}
			separator = ",\n"
		}
		_, err := io.WriteString(w, "\n]}\n")
		return err
	})
	if errors.Is(err, errInputsTooLarge) {
		return r.writeRecipe(path)
	}
	r.record.BytesSHA256 = hex.EncodeToString(hash.Sum(nil))
	return err
}

// writeRecipe writes what the bodies can be made from, and its hash.
func (r *levelRun) writeRecipe(path string) error {
	p := r.sweep.Plan
	recipe := map[string]any{
		"tool": "llmsweep " + Version, "level": r.level.Point.Name(), "workload_sha256": r.level.fingerprint, "model": p.Model, "seed": r.level.seed, "nonce": p.Nonce,
		"input": p.Input, "isl": p.ISL, "std": p.StdDev, "osl": p.OSL, "seq_dist": p.SeqDist, "isl_counts": cmp.Or(p.ISLCounts, record.ClientISL), "prefixes": p.Prefixes, "requests": r.level.Requests, "warmup_requests": r.level.warmups,
		"compat": p.Compat, "endpoint_type": cmp.Or(p.EndpointType, record.Chat), "streaming": !p.Unstreamed, "extra_inputs": p.ExtraInputs,
	}
	data, err := json.Marshal(recipe)
	if err != nil {
		return fmt.Errorf("encoding the recipe of the requests: %w", err)
	}
	sum := sha256.Sum256(data)
	return record.WriteJSON(path, map[string]any{"data": []any{}, "recipe": recipe, "recipe_sha256": hex.EncodeToString(sum[:])})
}

var errInputsTooLarge = errors.New("the request bodies are too large to be kept")

const maxInputs = 1 << 30

// requests renders the level's requests in the order of their numbers, warm-up first. One of which most are prepared in vain is left out.
func (r *levelRun) requests() func(yield func(*workload.Request) bool) {
	return func(yield func(*workload.Request) bool) {
		for _, phase := range []record.Phase{record.Warmup, record.Profiling} {
			if phase == record.Warmup && r.level.unknown(&r.sweep.Plan.Plan, phase) {
				continue
			}
			for i := range r.level.work.Len(phase) {
				if !yield(r.level.work.Render(phase, i)) {
					return
				}
			}
		}
	}
}
