package engine

import (
	"errors"
	"fmt"
	"math"
)

// Config sizes an engine and sets its speed. The zero value is not valid; start
// from [DefaultConfig].
type Config struct {
	// MaxNumSeqs is how many requests may run at a time; at least 1.
	MaxNumSeqs int
	// MaxNumBatchedTokens is how many tokens, of prompts and answers together,
	// one pass may compute; at least 1. No more requests than that run, since
	// each takes a token of every pass.
	MaxNumBatchedTokens int
	// NumGPUBlocks is the size of the cache in blocks; at least 1.
	NumGPUBlocks int
	// BlockSize is the number of tokens in a block of the cache; at least 1.
	BlockSize int
	// SpeedupRatio divides the time of every pass. 0 means that passes take no
	// time at all, as in Dynamo's mocker, not that the engine stands still.
	SpeedupRatio float64
	// DecodeSpeedupRatio divides the decode part of a pass once more. 0 means
	// that decoding takes no time.
	DecodeSpeedupRatio float64
}

// DefaultConfig returns the defaults of Dynamo's mocker: 256 requests, 8192
// tokens a pass, 16384 blocks of 64 tokens, at the speed of the curves.
func DefaultConfig() Config {
	return Config{
		MaxNumSeqs:          256,
		MaxNumBatchedTokens: 8192,
		NumGPUBlocks:        16384,
		BlockSize:           64,
		SpeedupRatio:        1,
		DecodeSpeedupRatio:  1,
	}
}

// Validate returns every problem of the configuration, joined, or nil. Options
// are called by their names on the mock server's command line.
func (c Config) Validate() error {
	return errors.Join(
		atLeastOne("max-num-seqs", c.MaxNumSeqs),
		atLeastOne("max-num-batched-tokens", c.MaxNumBatchedTokens),
		atLeastOne("num-gpu-blocks-override", c.NumGPUBlocks),
		atLeastOne("block-size", c.BlockSize),
		ratio("speedup-ratio", c.SpeedupRatio),
		ratio("decode-speedup-ratio", c.DecodeSpeedupRatio),
	)
}

func atLeastOne(option string, value int) error {
	if value >= 1 {
		return nil
	}
	return fmt.Errorf(`%s "%d": must be at least 1`, option, value)
}

func ratio(option string, value float64) error {
	if value >= 0 && !math.IsInf(value, 1) {
		return nil
	}
	return fmt.Errorf(`%s "%v": must be a finite number, at least 0 (0 means no waiting)`, option, value)
}
