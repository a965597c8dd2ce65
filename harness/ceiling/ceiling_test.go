package ceiling_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/ceiling"
	"github.com/llmsweep/llmsweep/harness/record"
)

const ms = int64(time.Millisecond)

// started is the level's stamp 0. The server started a second before it.
var started = time.Unix(1_700_000_000, 0)

// sample is a request whose tokens arrived at these instants, in ms.
func sample(id string, start int64, chunks ...int64) *record.Sample {
	s := &record.Sample{RequestID: id, Phase: record.Profiling, Outcome: record.OK, StartNS: start * ms}
	for _, at := range chunks {
		s.ChunksNS = append(s.ChunksNS, at*ms)
	}
	return s
}

// The server of "a" wrote its tokens 1, 2 and 2 ms late, two of them in one write; the client stamped them 1, 3 and 1 ms after that. That of
// "b" was on time, and so was the client.
const serverRecord = `{"server_start_unix_ns":1699999999000000000,"x_request_id":"a","arrival_ns":1000000000,"writes_ns":[1051000000,1062000000,1072000000],"write_tokens":[1,1,1]}
{"server_start_unix_ns":1699999999000000000,"x_request_id":"b","arrival_ns":1100000000,"writes_ns":[1160000000],"write_tokens":[2]}

{"server_start_unix_ns":1699999999000000000,"x_request_id":"not-ours","arrival_ns":1,"writes_ns":[],"write_tokens":[]}`

func TestPacedIsHeldAgainstTheServersRecord(t *testing.T) {
	t.Parallel()
	truth, err := ceiling.ReadTruth(strings.NewReader(serverRecord))
	require.NoError(t, err)
	warmup := sample("w", 0, 1)
	warmup.Phase = record.Warmup
	var row ceiling.Row
	require.NoError(t, row.Paced(started, []*record.Sample{sample("a", 0, 52, 65, 73), sample("b", 98, 160, 160), warmup}, truth))
	assert.InDelta(t, (52.0+62)/2-50, row.TTFTExcessMS, 1e-9)
	assert.InDelta(t, 1, row.StampP50MS, 1e-9, "of 1, 3, 1, 0, 0")
	assert.InDelta(t, 3-0.04*2, row.StampP99MS, 1e-9)
	assert.InDelta(t, 1-0.01, row.FirstP99MS, 1e-9, "of 1 and 0")
	assert.InDelta(t, 2, row.GapP99MS, 1e-9, "of 2, 2 and 0")
	assert.InDelta(t, 10-0.04*8, row.ServerLateP99MS, 1e-9, "of 1, 2, 2, 10, 0: both tokens were due apart")
	assert.InDelta(t, 5/0.160, row.EventsPerSecond, 1e-9)
}

func TestPacedNoticesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	truth, err := ceiling.ReadTruth(strings.NewReader(serverRecord))
	require.NoError(t, err)
	var row ceiling.Row
	require.EqualError(t, row.Paced(started, []*record.Sample{sample("a", 0, 52, 65)}, truth),
		"request a: 2 chunks arrived of 3 tokens that the server wrote")
	require.EqualError(t, row.Paced(started, []*record.Sample{sample("c", 0, 52)}, truth),
		"request c: 1 chunks arrived of 0 tokens that the server wrote")
	require.EqualError(t, row.Paced(started, nil, truth), "no request was answered")
	_, err = ceiling.ReadTruth(strings.NewReader("{}\n{"))
	require.ErrorContains(t, err, "line 2 of the server's record: unexpected end of JSON input")
	_, err = ceiling.ReadTruth(strings.NewReader(`{"writes_ns":[1],"write_tokens":[]}`))
	require.EqualError(t, err, "line 1 of the server's record: 1 writes and 0 numbers of tokens")
}

func setup(host, transport, reuse string) ceiling.Setup {
	return ceiling.Setup{Host: record.Host{Fingerprint: host}, Transport: transport, ConnectionReuse: reuse}
}

func table() *ceiling.Table {
	return &ceiling.Table{
		SchemaVersion: ceiling.SchemaVersion, Setup: setup("abc", "own", "pooled"),
		Rows: []ceiling.Row{
			{
				Streams: 1, EventsPerSecond: 97.1, TTFTExcessMS: 0.31, StampP50MS: 0.05, StampP99MS: 0.2, FirstP99MS: 0.25, GapP99MS: 0.3, LatenessP99MS: 0.01,
				Client: "client ok", MostEventsPerSecond: 200_000, MostRequestsPerSecond: 10_000,
			},
			{Streams: 10, Failure: "only 3 files may be open"},
			{
				Streams: 100, EventsPerSecond: 9612, TTFTExcessMS: 12.31, StampP99MS: 123.4, Client: "client limited",
				MostEventsPerSecond: 1_234_000, MostRequestsPerSecond: 20_000,
			},
		},
	}
}

func TestShareAddsEventsAndRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		streams          int
		events, requests float64
		want             float64
	}{
		{1, 20_000, 0, 0.1},
		{1, 20_000, 1000, 0.2},
		{2, 123_400, 1000, 0.15},
		{100, 617_000, 0, 0.5},
		{100, 2_468_000, 0, 2},
	} {
		got, known := table().Share(c.streams, c.events, c.requests)
		assert.True(t, known)
		assert.InDelta(t, c.want, got, 1e-12, "%+v", c)
	}
	_, known := table().Share(101, 1, 1)
	assert.False(t, known, "so many streams were not calibrated")
	_, known = (&ceiling.Table{Rows: []ceiling.Row{{Streams: 1}}}).Share(1, 1, 1)
	assert.False(t, known)
	_, known = (*ceiling.Table)(nil).Share(1, 1, 1)
	assert.False(t, known)
}

// whole are the rows that have figures: others are not kept.
func whole(t *ceiling.Table) *ceiling.Table {
	t.Rows = slices.DeleteFunc(t.Rows, func(r ceiling.Row) bool { return r.Failure != "" })
	return t
}

func TestTableIsKeptForItsSetup(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	load := func(of ceiling.Setup) *ceiling.Table {
		got, err := ceiling.Load(&of)
		require.NoError(t, err)
		return got
	}
	own := setup("abc", "own", "pooled")
	assert.Nil(t, load(own))
	file, err := table().Save()
	require.NoError(t, err)
	assert.FileExists(t, file)
	assert.Equal(t, whole(table()), load(own))
	for _, other := range []ceiling.Setup{setup("def", "own", "pooled"), setup("abc", "nethttp", "pooled"), setup("abc", "own", "never")} {
		assert.Nil(t, load(other))
	}

	require.NoError(t, os.WriteFile(file, []byte("{"), 0o644))
	_, err = ceiling.Load(&own)
	require.ErrorContains(t, err, file)
	_, err = table().Save()
	require.NoError(t, err, "what cannot be read is written anew")
	assert.Equal(t, whole(table()), load(own))

	older := table()
	older.SchemaVersion = "0"
	require.NoError(t, record.WriteJSON(file, older))
	assert.Nil(t, load(own), "what another version has measured is not understood")
}

// A later calibration at other numbers of streams, or one that fails, takes nothing away.
func TestSaveKeepsWhatIsKnown(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	_, err := table().Save()
	require.NoError(t, err)
	later := table()
	later.Rows = []ceiling.Row{
		{Streams: 1, Failure: "the paced run failed", MostEventsPerSecond: 5, MostRequestsPerSecond: 6},
		{Streams: 100, MostEventsPerSecond: 1, MostRequestsPerSecond: 2}, {Streams: 50, MostEventsPerSecond: 3, MostRequestsPerSecond: 4},
	}
	_, err = later.Save()
	require.NoError(t, err)
	got, err := ceiling.Load(&later.Setup)
	require.NoError(t, err)
	assert.Equal(t, []ceiling.Row{table().Rows[0], later.Rows[2], later.Rows[1]}, got.Rows)
	later.Rows = later.Rows[:1]
	_, err = later.Save()
	require.EqualError(t, err, "keeping the ceiling: there is no number of streams with all figures")
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	require.NoError(t, table().Print(&b))
	assert.Equal(t, `        paced: TTFT 50ms, ITL 10ms; errors in ms             as fast as can be
        events   TTFT  stamp  stamp  first    gap   late  events    reqs
streams    /s   -truth   p50    p99    p99    p99    p99      /s      /s client
      1   97.1   0.31   0.05   0.20   0.25   0.30   0.01    200k     10k ok
     10      -      -      -      -      -      -      -       -       - 
    100  9.61k   12.3   0.00    123   0.00   0.00   0.00   1.23M     20k limited
10 streams: only 3 files may be open
`, b.String())
	for line := range strings.Lines(b.String()) {
		assert.LessOrEqual(t, len(line), 81)
	}
}
