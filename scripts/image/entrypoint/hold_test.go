package main

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHoldEndsInTime(t *testing.T) {
	s := newStage(t)
	start := time.Now()
	assert.Equal(t, exitOK, s.im.run(t.Context(), []string{"hold", "-for", "50ms"}))
	assert.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
	assert.Equal(t, "llmsweep: holding for 50ms, or until SIGTERM\n", s.stdout.String())
	assert.Nil(t, s.called(t))
}

func TestHoldLastsAsLongAsTheAccessPod(t *testing.T) {
	s := newStage(t)
	over, end := context.WithCancel(t.Context())
	end()
	assert.Equal(t, exitOK, s.im.run(over, []string{"hold"}))
	assert.Equal(t, "llmsweep: holding for 50m0s, or until SIGTERM\n", s.stdout.String())
}

func TestHoldEndsAtASignal(t *testing.T) {
	for name, end := range map[string]func(*testing.T, context.CancelFunc){
		"SIGTERM": func(t *testing.T, _ context.CancelFunc) {
			require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		},
		"end of the context": func(_ *testing.T, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			out := requireEnded(t, []string{"hold"}, exitOK, func(cancel context.CancelFunc) { end(t, cancel) })
			assert.Contains(t, out, "holding for")
		})
	}
}
