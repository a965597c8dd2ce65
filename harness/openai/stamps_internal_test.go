package openai

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// scripted is a carrier that brings pieces of a body with the stamps of their reads, however late it is asked.
type scripted struct {
	pieces []string
	stamps []int64
	taken  int
}

func (s *scripted) send(context.Context, int, *workload.Request) error { return nil }
func (s *scripted) status() int                                        { return 200 }
func (s *scripted) header(string) []byte                               { return nil }
func (s *scripted) stamp() int64                                       { return s.stamps[s.taken-1] }
func (s *scripted) abort(error)                                        {}
func (s *scripted) fill(*record.Sample)                                {}
func (s *scripted) close()                                             {}

func (s *scripted) next() ([]byte, error) {
	if s.taken == len(s.pieces) {
		return nil, io.EOF
	}
	s.taken++
	return []byte(s.pieces[s.taken-1]), nil
}

// The clock of the client is long past all reads: a stamp that were taken when an event is decoded would show it.
func TestStampsAreOfReads(t *testing.T) {
	t.Parallel()
	const event = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
	c := New(Config{Concurrency: 1, Epoch: time.Now().Add(-time.Hour)})
	x := &c.newScratch().exchange
	x.carrier = &scripted{
		pieces: []string{": hello\n\n", event, event[:9], event[9:] + event, "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"},
		stamps: []int64{3, 7, 11, 13, 17},
	}
	x.sample = &record.Sample{FirstByteNS: record.Never, FirstVisibleNS: record.Never}
	assert.NoError(t, x.receive())
	s := x.sample
	assert.Equal(t, []int64{7, 13, 13}, s.ChunksNS)
	assert.Equal(t, []int64{3, 7, 17}, []int64{s.FirstByteNS, s.FirstVisibleNS, s.LastByteNS})
	assert.Equal(t, "stop", s.FinishReason)
}
