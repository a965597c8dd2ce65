package dataset_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

func drawn(s dataset.Sampler, from, to int) []int {
	var records []int
	for i := from; i < to; i++ {
		records = append(records, s.Record(i))
	}
	return records
}

func TestSequential(t *testing.T) {
	s := dataset.Sampler{How: dataset.Sequential, Seed: 5, Len: 3}
	assert.Equal(t, []int{0, 1, 2, 0, 1, 2, 0}, drawn(s, 0, 7))
}

// TestShuffle: every round has each record once, for all lengths about the steps of the network's size, and no two rounds or seeds have one order.
func TestShuffle(t *testing.T) {
	lengths := []int{1, 2, 3, 100, 255, 256, 257, 1023, 1024, 1025, 65_535, 65_536, 65_537, 100_003}
	for _, n := range lengths {
		s := dataset.Sampler{How: dataset.Shuffle, Seed: 5, Len: n}
		first, second := drawn(s, 0, n), drawn(s, n, 2*n)
		for _, round := range [][]int{first, second} {
			sorted := slices.Sorted(slices.Values(round))
			for i, record := range sorted {
				require.Equal(t, i, record, "of %d records one is missing or stands twice", n)
			}
		}
		if n < 100 {
			continue
		}
		assert.NotEqual(t, first, second, "the rounds of %d", n)
		s.Seed++
		assert.NotEqual(t, first, drawn(s, 0, n), "the seeds of %d", n)
	}
	assert.Equal(t, []int{2, 4, 0, 1, 3, 3, 2, 0, 4, 1}, drawn(dataset.Sampler{How: dataset.Shuffle, Seed: 100, Len: 5}, 0, 10), "on every machine")
}

// TestShuffleIsFair: over many seeds each of the orders of four records is as frequent as any other, and so is each place of each of a thousand.
func TestShuffleIsFair(t *testing.T) {
	const trials = 24_000
	orders := map[[4]int]int{}
	for seed := range uint64(trials) {
		orders[[4]int(drawn(dataset.Sampler{How: dataset.Shuffle, Seed: seed, Len: 4}, 0, 4))]++
	}
	require.Len(t, orders, 24)
	square := 0.0
	for _, n := range orders {
		d := float64(n) - trials/24
		square += d * d / (trials / 24)
	}
	assert.Less(t, square, 49.7, "chi squared of 23 degrees of freedom at 0.001")

	square = 0
	var places [1000]int
	for seed := range uint64(100) {
		for _, record := range drawn(dataset.Sampler{How: dataset.Shuffle, Seed: seed, Len: 1000}, 0, 100) {
			places[record]++
		}
	}
	for _, n := range places {
		d := float64(n) - 10
		square += d * d / 10
	}
	assert.InDelta(t, 0.9*999, square, 200, "the first 100 of 1,000, a hundred times: a draw without replacement has nine tenths of the variance")
}

func TestRandom(t *testing.T) {
	s := dataset.Sampler{How: dataset.Random, Seed: 5, Len: 1000}
	all := drawn(s, 0, 100_000)
	assert.Equal(t, all[500:600], drawn(s, 500, 600), "in any order")
	var seen [1000]int
	for _, record := range all {
		seen[record]++
	}
	square := 0.0
	for _, n := range seen {
		d := float64(n) - 100
		square += d * d / 100
	}
	assert.InDelta(t, 999, square, 150, "chi squared: 3.4 standard deviations")
	repeated := 0
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] {
			repeated++
		}
	}
	assert.InDelta(t, 100, repeated, 40, "with replacement")
	s.Seed++
	assert.NotEqual(t, all[:100], drawn(s, 0, 100))
}

func TestParseSampling(t *testing.T) {
	for _, c := range []struct {
		name   string
		format dataset.Format
		want   dataset.Sampling
	}{
		{"", dataset.SingleTurn, dataset.Sequential}, {"", dataset.RandomPool, dataset.Random}, {"sequential", dataset.RandomPool, dataset.Sequential},
		{"shuffle", dataset.ShareGPT, dataset.Shuffle}, {"random", dataset.ShareGPT, dataset.Random},
	} {
		got, err := dataset.ParseSampling(c.name, c.format)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	_, err := dataset.ParseSampling("shuffled", dataset.SingleTurn)
	assert.EqualError(t, err, `"shuffled": must be sequential, shuffle or random`)
}

func BenchmarkShuffle(b *testing.B) {
	s := dataset.Sampler{How: dataset.Shuffle, Seed: rand.Uint64(), Len: 1_000_000}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Record(i)
	}
}
