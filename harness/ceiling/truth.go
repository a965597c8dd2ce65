package ceiling

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
)

// Truth is what the server says of its writes, by the X-Request-ID of the request. Instants are on the wall clock, in nanoseconds.
type Truth map[string]written

type written struct {
	arrival int64
	tokens  []int64 // the instant just before the write of each
}

// ReadTruth reads the record of a mock server, one JSON line a request.
func ReadTruth(r io.Reader) (Truth, error) {
	truth := Truth{}
	lines := bufio.NewReader(r)
	for number := 1; ; number++ {
		data, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(data)) > 0 {
			if bad := truth.add(data); bad != nil {
				return nil, fmt.Errorf("line %d of the server's record: %w", number, bad)
			}
		}
		if errors.Is(err, io.EOF) {
			return truth, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the server's record: %w", err)
		}
	}
}

func (t Truth) add(data []byte) error {
	var line struct {
		Start       int64   `json:"server_start_unix_ns"`
		RequestID   string  `json:"x_request_id"`
		Arrival     int64   `json:"arrival_ns"`
		Writes      []int64 `json:"writes_ns"`
		WriteTokens []int   `json:"write_tokens"`
	}
	if err := json.Unmarshal(data, &line); err != nil {
		return err
	}
	if len(line.Writes) != len(line.WriteTokens) {
		return fmt.Errorf("%d writes and %d numbers of tokens", len(line.Writes), len(line.WriteTokens))
	}
	w := written{arrival: line.Start + line.Arrival}
	for k, at := range line.Writes {
		for range line.WriteTokens[k] {
			w.tokens = append(w.tokens, line.Start+at)
		}
	}
	t[line.RequestID] = w
	return nil
}

// Paced compares the samples of a paced run, whose stamps count from start, with the truth, and fills the row's figures. Each of the client's
// chunks must be a token of the server's.
func (r *Row) Paced(start time.Time, samples []*record.Sample, truth Truth) error {
	var p paced
	for _, s := range samples {
		if !s.Valid() {
			continue
		}
		w, found := truth[s.RequestID]
		if !found || len(w.tokens) != len(s.ChunksNS) {
			return fmt.Errorf("request %s: %d chunks arrived of %d tokens that the server wrote", s.RequestID, len(s.ChunksNS), len(w.tokens))
		}
		p.add(start.UnixNano(), s, w)
	}
	if len(p.ttft) == 0 {
		return errors.New("no request was answered")
	}
	p.fill(r)
	return nil
}

// paced collects differences in milliseconds.
type paced struct {
	ttft, stamp, first, gap, server []float64
	events                          int
	from, to                        int64
}

func (p *paced) add(start int64, s *record.Sample, w written) {
	const ms = 1e6
	p.ttft = append(p.ttft, float64(s.ChunksNS[0]-s.StartNS)/ms)
	for k, stamp := range s.ChunksNS {
		p.stamp = append(p.stamp, float64(start+stamp-w.tokens[k])/ms)
		due := w.arrival + TTFT.Nanoseconds() + int64(k)*ITL.Nanoseconds()
		p.server = append(p.server, float64(w.tokens[k]-due)/ms)
		if k > 0 {
			client, server := stamp-s.ChunksNS[k-1], w.tokens[k]-w.tokens[k-1]
			p.gap = append(p.gap, math.Abs(float64(client-server))/ms)
		}
	}
	p.first = append(p.first, p.stamp[len(p.stamp)-len(s.ChunksNS)])
	if p.events == 0 || s.StartNS < p.from {
		p.from = s.StartNS
	}
	p.to = max(p.to, s.ChunksNS[len(s.ChunksNS)-1])
	p.events += len(s.ChunksNS)
}

func (p *paced) fill(r *Row) {
	percentile := func(values []float64, q float64) float64 {
		if len(values) == 0 {
			return 0
		}
		slices.Sort(values)
		return stat.Percentile(values, q)
	}
	sum := 0.0
	for _, x := range p.ttft {
		sum += x
	}
	r.TTFTExcessMS = sum/float64(len(p.ttft)) - float64(TTFT)/float64(time.Millisecond)
	r.StampP50MS, r.StampP99MS = percentile(p.stamp, 50), percentile(p.stamp, 99)
	r.StampP999MS = percentile(p.stamp, 99.9)
	r.FirstP99MS, r.GapP99MS = percentile(p.first, 99), percentile(p.gap, 99)
	r.ServerLateP99MS = percentile(p.server, 99)
	r.EventsPerSecond = float64(p.events) / (float64(p.to-p.from) / 1e9)
}
