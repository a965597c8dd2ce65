package engine

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// TransferTiming says what is copied from a prefill to a decode engine.
type TransferTiming string

// The transfer timings.
const (
	FullPrompt         TransferTiming = "full_prompt"
	DestinationMissing TransferTiming = "destination_missing" // blocks that the decode engine has are left out
)

// Transfer is how the keys and values of a prompt get from a prefill to a decode
// engine. Transfers do not slow each other down.
type Transfer struct {
	// BytesPerToken is the size of a token's keys and values; see [KVBytesPerToken].
	BytesPerToken float64
	// Bandwidth is in GB/s, 10^9 bytes a second; 0 means that transfers take no time.
	Bandwidth float64
	// Timing says what is copied.
	Timing TransferTiming
}

// DefaultTransfer returns the defaults of Dynamo's mocker: whole prompts at 64 GB/s,
// for Qwen/Qwen3-0.6B with 16 bits a number: 28 layers, 8 heads of 128.
func DefaultTransfer() Transfer {
	return Transfer{BytesPerToken: KVBytesPerToken(28, 8, 128, 2), Bandwidth: 64, Timing: FullPrompt}
}

// KVBytesPerToken is the size of a token's keys and values, in bytes. headDim is the
// model's own figure if it states one, which may differ from hidden size over heads.
func KVBytesPerToken(layers, kvHeads, headDim, bytesPerNumber int) float64 {
	return float64(layers * 2 * kvHeads * headDim * bytesPerNumber)
}

func (t Transfer) validate() error {
	var size, bandwidth error
	if !finite(t.BytesPerToken) {
		size = fmt.Errorf(`kv-bytes-per-token "%v": must be a finite number, at least 0`, t.BytesPerToken)
	}
	if !finite(t.Bandwidth) {
		bandwidth = fmt.Errorf(`kv-transfer-bandwidth "%v": must be a finite number, at least 0 (0 means no waiting)`, t.Bandwidth)
	}
	return errors.Join(size, bandwidth, oneOf("kv-transfer-timing-mode", t.Timing, FullPrompt, DestinationMissing))
}

// delay is the time for so many tokens, divided by the speedup ratio.
func (t Transfer) delay(tokens int, speedup float64) time.Duration {
	if t.Bandwidth == 0 {
		return 0
	}
	ms := float64(tokens) * t.BytesPerToken / (t.Bandwidth * 1e9) * 1000
	return time.Duration(min(math.Round(slowed(ms, speedup)*1e6), longestPass))
}
