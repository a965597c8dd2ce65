package instrument_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/instrument"
	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// slowConn delays the return of reads.
type slowConn struct {
	net.Conn
	delay func(read int) time.Duration
	reads int
}

func (c *slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if d := c.delay(c.reads); n > 0 {
		c.reads++
		time.Sleep(d)
	}
	return n, err
}

// inMemory is a loopback for virtual time whose reads are delayed.
func inMemory(delay func(read int) time.Duration) instrument.Loopback {
	return func() (net.Listener, instrument.Dial, error) {
		listener := memnet.Listen("canary:80")
		return listener, func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := listener.DialContext(ctx, network, address)
			return &slowConn{Conn: conn, delay: delay}, err
		}, nil
	}
}

func never(int) time.Duration { return 0 }

// TestCanaryMeasuresTheDelay: in virtual time every delay is what was injected, to the nanosecond, and every chunk before the end counts.
func TestCanaryMeasuresTheDelay(t *testing.T) {
	for concurrency, streams := range map[int]int{1: 1, 7: 1, 8: 2, 63: 2, 64: 3, 1000: 3} {
		synctest.Test(t, func(t *testing.T) {
			// Read 0 is the head of the answer, read k chunk k.
			delay := func(read int) time.Duration {
				if read == 0 || read > 100 {
					return 0
				}
				return time.Duration(read) * 1000
			}
			w := instrument.Start(instrument.Config{Client: openai.Config{Epoch: time.Now()}, Target: concurrency, Loopback: inMemory(delay)})
			time.Sleep(2 * time.Second) // the 100th chunk of each stream is due before, the last one's now
			got := w.Stop()
			want := 100*streams - 1
			require.Equal(t, &record.Canary{
				Streams: streams, Transport: openai.OwnTransport, IntervalMS: 20, Chunks: want, DelayP50MS: got.Canary.DelayP50MS, DelayP99MS: got.Canary.DelayP99MS, DelayMaxMS: got.Canary.DelayMaxMS,
			}, got.Canary)
			if streams == 1 {
				assert.Equal(t, 0.050, got.Canary.DelayP50MS)
				assert.InDelta(t, 0.09802, got.Canary.DelayP99MS, 1e-12)
				assert.Equal(t, 0.099, got.Canary.DelayMaxMS)
			} else {
				assert.Equal(t, 0.100, got.Canary.DelayMaxMS)
			}
			assert.Equal(t, 2000.0, got.MeasuredMS)
			assert.Equal(t, record.ClientOK, got.Verdict)
			assert.Nil(t, got.Probe)
			assert.Nil(t, got.Runtime)
			assert.Nil(t, got.Process)
		})
	}
}

// TestCanariesStream, whatever the level asks for.
func TestCanariesStream(t *testing.T) {
	for _, client := range []openai.Config{{Completions: true}, {Whole: true}, {Completions: true, Whole: true}} {
		synctest.Test(t, func(t *testing.T) {
			client.Epoch = time.Now()
			w := instrument.Start(instrument.Config{Client: client, Target: 1, Loopback: inMemory(never)})
			time.Sleep(time.Second)
			got := w.Stop().Canary
			assert.Empty(t, got.Failure)
			assert.Equal(t, 49, got.Chunks)
		})
	}
}

// TestCanaryOverHTTP2: there the first reads are of the settings, of their acknowledgement and of the head; then a read is a chunk.
func TestCanaryOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const beforeChunks = 3
		delay := func(read int) time.Duration {
			if read == beforeChunks+50 {
				return 5 * time.Millisecond
			}
			return 0
		}
		client := openai.Config{Epoch: time.Now(), Transport: openai.HTTP2}
		w := instrument.Start(instrument.Config{Client: client, Target: 1, Loopback: inMemory(delay)})
		time.Sleep(2*time.Second + 1)
		got := w.Stop()
		assert.Equal(t, &record.Canary{Streams: 1, Transport: openai.HTTP2, IntervalMS: 20, Chunks: 100, DelayP99MS: got.Canary.DelayP99MS, DelayMaxMS: 5}, got.Canary)
	})
}

// TestCanaryGoesOnFromAnswerToAnswer: an answer has 4,096 chunks; a run of several loses none and delays none.
func TestCanaryGoesOnFromAnswerToAnswer(t *testing.T) {
	for k := range 6 {
		transport, scheme := []string{openai.OwnTransport, openai.NetHTTP, openai.HTTP2}[k%3], []string{"http", "https"}[k/3]
		synctest.Test(t, func(t *testing.T) {
			load := &url.URL{Scheme: scheme, Host: "server:80"}
			client := openai.Config{Epoch: time.Now(), Transport: transport, Endpoints: []*url.URL{load}}
			var first byte // on the wire
			w := instrument.Start(instrument.Config{Client: client, Target: 1, Loopback: sniffed(&first)})
			time.Sleep(10_000*20*time.Millisecond + 1)
			got := w.Stop()
			assert.Equal(t, 10_000, got.Canary.Chunks)
			assert.Equal(t, transport, got.Canary.Transport)
			assert.Zero(t, got.Canary.DelayMaxMS)
			assert.Empty(t, got.Canary.Failure)
			assert.Equal(t, scheme == "https", first == 0x16, "a handshake of TLS begins so: %q", first)
		})
	}
}

// sniffed is inMemory without delays, and notes the first byte that the client writes.
func sniffed(first *byte) instrument.Loopback {
	return func() (net.Listener, instrument.Dial, error) {
		listener, dial, err := inMemory(never)()
		return listener, func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return &sniffing{Conn: conn, first: first}, err
		}, err
	}
}

type sniffing struct {
	net.Conn
	first *byte
}

func (c *sniffing) Write(p []byte) (int, error) {
	if *c.first == 0 {
		*c.first = p[0]
	}
	return c.Conn.Write(p)
}

// TestChunksThatNeverCameCount: a client that reads nothing for long is not waited for, and its chunks are as late as they are by then.
func TestChunksThatNeverCameCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(read int) time.Duration {
			if read == 50 {
				return time.Minute
			}
			return 0
		}
		w := instrument.Start(instrument.Config{Client: openai.Config{Epoch: time.Now()}, Target: 1, Loopback: inMemory(stuck)})
		time.Sleep(2*time.Second + 1)
		got := w.Stop()
		assert.Equal(t, 100, got.Canary.Chunks)
		assert.Equal(t, record.ClientSuspect, got.Verdict, "of 100 chunks only")
		assert.Equal(t, 60_000., got.Canary.DelayMaxMS)
	})
}

// TestCanaryThatFailsSaysSo: a listener that cannot be had, or a connection that breaks, is no client that is fine.
func TestCanaryThatFailsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := instrument.Start(instrument.Config{Client: openai.Config{Epoch: time.Now()}, Target: 1, Loopback: func() (net.Listener, instrument.Dial, error) {
			return nil, nil, errors.New("no ports")
		}})
		got := w.Stop()
		assert.Equal(t, record.ClientUnknown, got.Verdict)
		assert.Equal(t, "canary: no ports", got.Canary.Failure)
	})
	synctest.Test(t, func(t *testing.T) {
		w := instrument.Start(instrument.Config{Client: openai.Config{Epoch: time.Now()}, Target: 1, Loopback: func() (net.Listener, instrument.Dial, error) {
			listener := memnet.Listen("canary:80")
			return listener, func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := listener.DialContext(ctx, network, address)
				time.AfterFunc(990*time.Millisecond, func() { _ = conn.Close() })
				return conn, err
			}, nil
		}})
		time.Sleep(2 * time.Second)
		got := w.Stop()
		assert.Equal(t, 49, got.Canary.Chunks, "those before the break")
		assert.Contains(t, got.Canary.Failure, "canary 1 of 1: ")
	})
}

// TestLatenessAndInFlight: a slot's first request waited for nothing; of the others the time from the end of one to the start of the
// next counts, and is missing in flight.
func TestLatenessAndInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := instrument.Start(instrument.Config{Client: openai.Config{Epoch: time.Now()}, Target: 2})
		ms := func(v float64) int64 { return int64(v * 1e6) }
		add := func(scheduled, start, end float64, first bool) {
			w.Request(&record.Sample{ScheduledNS: ms(scheduled), StartNS: ms(start), EndNS: ms(end)}, first, 500, math.NaN())
		}
		add(0, 50, 1000, true) // late, and of no concern
		add(0, 0, 1500, true)
		add(1000, 1004, 2000, false)
		add(1500, 1512, 2100, false)
		add(2000, 2000, 3000, false)
		time.Sleep(3 * time.Second)
		got := w.Stop()
		assert.Equal(t, &record.Lateness{Requests: 3, P50MS: 4, P99MS: 4 + 0.98*8, MaxMS: 12, Above10MSShare: 1. / 3}, got.Lateness)
		require.NotNil(t, got.InFlight)
		assert.Equal(t, 2, got.InFlight.Target)
		assert.InDelta(t, 2-16./1950, got.InFlight.Mean, 1e-12, "from 50 to 2000 ms")
		assert.Equal(t, record.ClientSuspect, got.Verdict)
		assert.Equal(t, 5.0, got.Checks[0].Limit, "1 % of the TTFT")
		assert.Contains(t, fmt.Sprint(got.Checks[0]), "of 3 values only")
	})
}
