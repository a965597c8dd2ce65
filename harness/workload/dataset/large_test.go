package dataset_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// writeLarge writes a file of about size bytes in a format, with records of about 2 kB, or of a table's size, and returns how many there are.
func writeLarge(t testing.TB, path string, format dataset.Format, size int) (records int) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	w := bufio.NewWriterSize(file, 1<<20)
	words := strings.Repeat("some words \\\"quoted\\\" ", 100)
	begin, end, record := "", "", ""
	switch format {
	case dataset.SingleTurn:
		record = fmt.Sprintf("{\"text\": \"%s\", \"output_length\": %%d}\n", words)
	case dataset.ShareGPT:
		begin, end = "[", "{}]"
		record = fmt.Sprintf("{\"id\": \"%%d\", \"conversations\": [{\"from\": \"human\", \"value\": \"%s\"},\n {\"from\": \"gpt\", \"value\": \"%s\"}]},\n", words[:1104], words[:1104])
	case dataset.Inputs:
		begin, end = `{"data":[`, `{"payloads":[]}]}`
		record = fmt.Sprintf("{\"session_id\":\"%%d\",\"payloads\":[{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}]},\n", words)
	case dataset.BurstGPT:
		begin = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
		record = "%d,,1.25,ChatGPT,472,18,490,Conversation log\n"
	}
	written := len(begin)
	fmt.Fprint(w, begin)
	for ; written < size; records++ {
		n, _ := fmt.Fprintf(w, record, 1+records)
		written += n
	}
	fmt.Fprint(w, end)
	require.NoError(t, w.Flush())
	require.NoError(t, file.Close())
	return records
}

// heap is how much of the machine's memory Go has for its heap, in bytes: it does not shrink while a test runs.
func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapSys)
}

// TestLargeFile: a file of 200 MB needs neither in the first pass nor afterwards more than 16 bytes a record and a few buffers.
func TestLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("writes and reads 500 MB")
	}
	for format, size := range map[dataset.Format]int{dataset.SingleTurn: 200 << 20, dataset.ShareGPT: 200 << 20, dataset.Inputs: 60 << 20, dataset.BurstGPT: 60 << 20} {
		t.Run(string(format), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "large")
			records := writeLarge(t, path, format, size)
			file, err := os.Open(path)
			require.NoError(t, err)
			defer file.Close()
			info, err := file.Stat()
			require.NoError(t, err)
			runtime.GC()
			before := heap()
			d, err := dataset.Read(path, file, info.Size(), "")
			require.NoError(t, err)
			require.Equal(t, records, d.Len())
			for i := range 10_000 {
				_, err := d.Entry(i * 7919 % records)
				require.NoError(t, err)
			}
			used := heap() - before
			t.Logf("%d records, %d MB of file, %.1f MB of heap", records, info.Size()>>20, float64(used)/(1<<20))
			assert.Less(t, used, int64(20<<20)+int64(records)*16*2, "the collector lets the heap grow to twice what is in use")
		})
	}
}

// TestRecordsBeyondTheLimit are refused without being taken into memory.
func TestRecordsBeyondTheLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 500 MB")
	}
	before := heap()
	huge := zeros{begin: []byte("{\"text\":\"a\"}\n"), size: 400 << 20, end: []byte("\n{}\n{\"text\":\"a\"}\n")}
	_, err := dataset.Read("f.jsonl", huge, huge.len(), dataset.SingleTurn)
	require.Error(t, err)
	assert.Equal(t, "f.jsonl:2: a record has more than 67108864 bytes\nf.jsonl:3: has neither text nor texts", err.Error())

	assert.Less(t, heap()-before, int64(330<<20), "what is too long is not kept")
	huge = zeros{begin: []byte("[\n{\"conversations\":[]},\n{\"conversations\":\""), size: 140 << 20, end: []byte("\"}]")}
	_, err = dataset.Read("f.json", huge, huge.len(), dataset.ShareGPT)
	require.Error(t, err)
	assert.Equal(t, "f.json:2: a record has more than 67108864 bytes: nothing behind it can be read", err.Error())
}

// zeros is a file with so many digits between begin and end.
type zeros struct {
	begin []byte
	size  int64
	end   []byte
}

func (z zeros) len() int64 { return int64(len(z.begin)) + z.size + int64(len(z.end)) }

func (z zeros) ReadAt(b []byte, offset int64) (n int, err error) {
	middle := int64(len(z.begin))
	for n < len(b) && offset < z.len() {
		var piece int
		switch {
		case offset < middle:
			piece = copy(b[n:], z.begin[offset:])
		case offset < middle+z.size:
			piece = int(min(int64(len(b)-n), middle+z.size-offset))
			for i := range piece {
				b[n+i] = '0'
			}
		default:
			piece = copy(b[n:], z.end[offset-middle-z.size:])
		}
		n, offset = n+piece, offset+int64(piece)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
