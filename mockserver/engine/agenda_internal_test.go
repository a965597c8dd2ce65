package engine

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The agenda against a list that is searched.
func TestAgendaAgainstAList(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var a agenda
	var list []answer
	for serial := range uint64(5000) {
		x := answer{request: Request{ID: serial}, serial: serial, due: time.Duration(random.IntN(300))}
		a.add(x)
		list = append(list, x)
		if random.IntN(4) == 0 {
			id := list[random.IntN(len(list))].request.ID
			a.remove(id)
			list = slices.DeleteFunc(list, func(x answer) bool { return x.request.ID == id })
		}
		require.Len(t, a, len(list))
		if len(list) > 0 {
			first := slices.MinFunc(list, func(x, y answer) int { return cmp.Compare(x.due, y.due) })
			require.Equal(t, first.due, a[0].due)
		}
		if random.IntN(3) == 0 {
			now := time.Duration(random.IntN(100))
			var want []answer
			for _, x := range list {
				if x.due <= now {
					want = append(want, x)
				}
			}
			list = slices.DeleteFunc(list, func(x answer) bool { return x.due <= now })
			require.Equal(t, want, a.take(nil, now))
		}
	}
}
