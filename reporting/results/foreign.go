package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// Tool is another program whose results are read.
type Tool string

// The tools, as their makers write them.
const (
	OfAIPerf    Tool = "AIPerf"
	OfGenAIPerf Tool = "GenAI-Perf"
	OfVLLM      Tool = "vllm bench serve"
)

// genaiSuffix ends the name of GenAI-Perf's aggregate: of profile_export_genai_perf.json, or whatever --profile-export-file said.
const genaiSuffix = "_genai_perf.json"

// readForeign reads a level that another tool wrote: the shallowest file of its folder that is an aggregate of AIPerf's, else of GenAI-Perf's, else of
// vllm bench serve. judged: the reader has objectives of his own.
func readForeign(d record.LevelDir, judged bool) (*Level, error) {
	files, err := jsonFiles(d.Path)
	if err != nil {
		return nil, err
	}
	l := &Level{Dir: d.Path, Point: d.Point, Figures: Figures{}}
	path, tool := aggregate(files)
	switch tool {
	case OfAIPerf, OfGenAIPerf:
		err = l.readAggregate(path)
	default:
		tool, err = OfVLLM, l.readVLLM(files)
	}
	if err != nil {
		return nil, err
	}
	l.Source = tool
	l.Within = withoutIntervals(l.Figures)
	if _, ok := l.Figures["goodput"]; ok && judged {
		delete(l.Figures, "goodput")
		delete(l.Figures, "good_request_count")
		l.Warnings = append(l.Warnings, "its goodput is left out: it is by objectives of its own run, and -slo needs the requests")
	}
	return l, nil
}

// jsonFiles lists the JSON files below dir, the shallowest first, by name among equals.
func jsonFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(entry.Name(), ".json") {
			files = append(files, path)
		}
		return err
	})
	depth := func(path string) int { return strings.Count(path, string(os.PathSeparator)) }
	slices.SortStableFunc(files, func(a, b string) int { return depth(a) - depth(b) })
	return files, err
}

// aggregate finds the file that AIPerf or GenAI-Perf wrote; "" is none.
func aggregate(files []string) (string, Tool) {
	for _, of := range []struct {
		suffix string
		tool   Tool
	}{{string(os.PathSeparator) + record.AggregateFile, OfAIPerf}, {genaiSuffix, OfGenAIPerf}} {
		if i := slices.IndexFunc(files, func(path string) bool { return strings.HasSuffix(path, of.suffix) }); i >= 0 {
			return files[i], of.tool
		}
	}
	return "", ""
}

// readAggregate reads the figures of AIPerf and of GenAI-Perf, whose keys it took over: an object for each metric.
func (l *Level) readAggregate(path string) error {
	var document map[string]json.RawMessage
	if err := record.ReadJSON(path, &document); err != nil {
		return err
	}
	if nested, ok := document["records"]; ok { // AIPerf 0.1
		if err := json.Unmarshal(nested, &document); err != nil {
			return fmt.Errorf("%s: records: %w", path, err)
		}
	}
	for tag, raw := range document {
		var fields map[string]any
		if json.Unmarshal(raw, &fields) != nil || fields["unit"] == nil {
			continue
		}
		unit, _ := fields["unit"].(string)
		tag, factor := ourOwn(tag, unit)
		l.Figures[tag] = map[string]float64{}
		for name, value := range fields {
			if number, ok := value.(float64); ok {
				l.Figures[tag][name] = scaled(number, name, factor)
			}
		}
	}
	if len(l.Figures) == 0 {
		return fmt.Errorf("%s: no metric in it", path)
	}
	var cancelled bool
	if json.Unmarshal(document["was_cancelled"], &cancelled) == nil && cancelled {
		l.Cancelled = true
		l.Warnings = append(l.Warnings, "the run was cancelled")
	}
	var ours struct{ Validity steady.Validity } // of an aggregate that we wrote, and whose recording is not there any more
	if json.Unmarshal(document["llmsweep"], &ours) == nil && ours.Validity.Standing == steady.Invalid {
		l.Validity = ours.Validity
		l.Warnings = append(l.Warnings, fmt.Sprintf("%s, as its file says: %s", steady.Invalid, l.Validity.Broken(true)))
	}
	return nil
}

// scaled brings a statistic to our unit. How many values there are has none.
func scaled(v float64, statistic string, factor float64) float64 {
	if statistic == "count" {
		return v
	}
	return v * factor
}

// ourOwn is the tag of a figure as we have it, and what its values take to be in our unit: early versions of GenAI-Perf had other names, and nanoseconds.
func ourOwn(tag, unit string) (string, float64) {
	switch tag {
	case "num_output_token":
		tag = "output_sequence_length"
	case "num_input_token":
		tag = "input_sequence_length"
	}
	inMS := map[string]float64{"ns": 1e-6, "us": 1e-3, "ms": 1, "sec": 1e3, "s": 1e3}
	d, _ := metric.Lookup(tag)
	from, known := inMS[unit]
	to, timed := inMS[d.Unit]
	if !known || !timed {
		return tag, 1
	}
	return tag, from / to
}

// maxResult bounds what is looked at of a file that might be a result of vllm bench serve; with --save-detailed it has every token.
const maxResult = 256 << 20

// readVLLM reads the first of the files that is a result of vllm bench serve.
func (l *Level) readVLLM(files []string) error {
	var unreadable error
	for _, path := range files {
		document, more, err := lastDocument(path)
		if err != nil {
			unreadable = errors.Join(unreadable, err)
			continue
		}
		if !isVLLM(document) {
			continue
		}
		l.Native, l.Figures = vllmFigures(document)
		if more {
			l.Warnings = append(l.Warnings, filepath.Base(path)+" has several results: the last one is shown")
		}
		return nil
	}
	if unreadable != nil {
		return unreadable
	}
	return fmt.Errorf("no %s in it, nor a result of GenAI-Perf or vllm bench serve", record.AggregateFile)
}

// lastDocument reads the last JSON object of a file: --append-result puts them one behind the other.
func lastDocument(path string) (last result, several bool, err error) {
	file, err := record.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	decoder := json.NewDecoder(io.LimitReader(file, maxResult))
	for {
		var document result
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return last, several, nil
		case err != nil && last == nil:
			var notAnObject *json.UnmarshalTypeError
			if errors.As(err, &notAnObject) {
				return nil, false, nil // of another kind
			}
			return nil, false, fmt.Errorf("%s: %w", path, err)
		case err != nil: // the last one is torn
			return last, true, nil
		}
		several = last != nil
		last = document
	}
}

// result is a result of vllm bench serve. Its lists, which may have every token, stay as they are.
type result map[string]json.RawMessage

func (r result) number(key string) (v float64, ok bool) {
	raw := r[key]
	if len(raw) == 0 || len(raw) > 64 || raw[0] == 'n' {
		return 0, false
	}
	return v, json.Unmarshal(raw, &v) == nil
}

func isVLLM(r result) bool {
	_, completed := r.number("completed")
	_, throughput := r.number("request_throughput")
	return completed && throughput
}

// vllmFigures are the figures of a result under the tool's own keys, and as AIPerf calls what is nearest to them.
func vllmFigures(document result) (native, ours Figures) {
	native, ours = Figures{}, Figures{}
	completed, _ := document.number("completed")
	one := func(key, tag string) {
		if v, ok := document.number(key); ok {
			native[key], ours[tag] = map[string]float64{"avg": v}, map[string]float64{"avg": v}
		}
	}
	for _, of := range [][2]string{ // benchmark_serving.py, and the first versions that were part of vllm, have a colon in the key of their goodput
		{"completed", "request_count"}, {"failed", "error_request_count"}, {"duration", "benchmark_duration"}, {"request_throughput", "request_throughput"},
		{"request_goodput:", "goodput"}, {"request_goodput", "goodput"}, {"output_throughput", "output_token_throughput"}, {"total_token_throughput", "total_token_throughput"},
		{"total_input_tokens", "total_isl"}, {"total_output_tokens", "total_osl"},
	} {
		one(of[0], of[1])
	}
	if ours["error_request_count"]["avg"] == 0 {
		delete(ours, "error_request_count") // absent where there is none, as everywhere
	}
	if tokens, ok := document.number("total_output_tokens"); ok && completed > 0 {
		ours["output_sequence_length"] = map[string]float64{"avg": tokens / completed}
	}
	for _, of := range [][2]string{{"ttft", "time_to_first_token"}, {"tpot", "inter_token_latency"}, {"itl", "inter_chunk_latency"}, {"e2el", "request_latency"}} {
		if statistics := vllmStatistics(document, of[0]); len(statistics) > 0 && completed > 0 { // of nothing the tool says 0
			if of[0] != "itl" { // its gaps are more, and not counted
				statistics["count"] = completed
			}
			native[of[0]], ours[of[1]] = statistics, statistics
		}
	}
	return native, ours
}

func vllmStatistics(document result, of string) map[string]float64 {
	statistics := map[string]float64{}
	for key := range document {
		v, ok := document.number(key)
		name, found := strings.CutSuffix(key, "_"+of+"_ms")
		if !ok || !found {
			continue
		}
		switch name {
		case "mean":
			statistics["avg"] = v
		case "median":
			statistics["p50"] = v
		default: // std, p99
			statistics[name] = v
		}
	}
	return statistics
}

// sources names the tools that recorded a benchmark, in the order of the levels; none: it is ours.
func (b *Benchmark) sources() []Tool {
	var tools []Tool
	for i := range b.Levels {
		if tool := b.Levels[i].Source; tool != "" && !slices.Contains(tools, tool) {
			tools = append(tools, tool)
		}
	}
	return tools
}

// Sources says which tools recorded a benchmark; "" is ours.
func (b *Benchmark) Sources() string {
	var names []string
	for _, tool := range b.sources() {
		names = append(names, string(tool))
	}
	return strings.Join(names, " and ")
}
