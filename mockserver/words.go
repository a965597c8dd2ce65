package mockserver

import (
	"strconv"

	"github.com/zeebo/xxh3"
)

// tokenOf is the identifier of a word. Two words may share one, as good as never.
func tokenOf(word string) uint32 {
	return uint32(xxh3.HashString(word))
}

// templateToken is the i-th token of the chat template, and its word.
func templateToken(i int) uint32 { return tokenOf(templateWord(i)) }

func templateWord(i int) string { return "<|template " + strconv.Itoa(i) + "|>" }

// vocabulary is what answers are made of: common words in lower case, 128 of
// them, none of which needs escaping in JSON.
const vocabulary = `a about after again all also an and another any are around as ask at away back be because been
before big both but by call came can come could day did different do does down each end even every few find first for
from gave get give go good great had hand has have he help her here him his home house how if in into is it just keep
kind know large last learn leave life light line little live long look made make man many may me men more most move
much must my name near need never new next no not now number of off old on one only or other our out over own part people place right
same say see she show`

// random is a pseudo-random number that depends on its arguments alone, by the
// finaliser of splitmix64. A generator with a state would tie the n-th word of an
// answer to the ones before.
func random(seed, request, index uint64) uint64 {
	return mix(mix(mix(seed)+request) + index)
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
