package http1_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// vector is a response, byte for byte, and what becomes of it.
type vector struct {
	name   string
	method string // GET if empty
	wire   string
	want   string // status and body, "200 body"
	fails  string // part of the error, after the body if there is one
	// differs is why net/http does otherwise. Without it, it does the same: status, header, length, body, and whether there is an error.
	differs string
}

const (
	ok         = "HTTP/1.1 200 OK\r\n"
	isChunked  = ok + "Transfer-Encoding: chunked\r\n\r\n"
	stricter   = "RFC 9112 forbids it, and net/http lets it pass"
	ourLimit   = "a limit of ours"
	noUpgrades = "net/http offers the connection to the caller"
)

func vectors() []vector {
	long := strings.Repeat("x", 5000)
	return []vector{
		{name: "length", wire: ok + "Content-Length: 5\r\n\r\nhello", want: "200 hello"},
		{name: "length, nothing", wire: ok + "Content-Length: 0\r\n\r\n", want: "200 "},
		{name: "length, cut", wire: ok + "Content-Length: 9\r\n\r\nhello", want: "200 hello", fails: "unexpected EOF"},
		{name: "length, more than that", wire: ok + "Content-Length: 4\r\n\r\nhello", want: "200 hell"},
		{name: "length twice", wire: ok + "Content-Length: 5\r\ncontent-length:5\r\n\r\nhello", want: "200 hello"},
		{name: "two lengths", wire: ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", fails: "Content-Length both"},
		{name: "two lengths that are one number", wire: ok + "Content-Length: 5\r\nContent-Length: 05\r\n\r\nhello", fails: "Content-Length both"},
		{name: "length with a sign", wire: ok + "Content-Length: +5\r\n\r\nhello", fails: "bad HTTP Content-Length"},
		{name: "negative length", wire: ok + "Content-Length: -5\r\n\r\nhello", fails: "bad HTTP Content-Length"},
		{name: "length of nothing", wire: ok + "Content-Length: \r\n\r\nhello", fails: "bad HTTP Content-Length"},
		{name: "list of lengths", wire: ok + "Content-Length: 5, 5\r\n\r\nhello", fails: "bad HTTP Content-Length"},
		{name: "huge length", wire: ok + "Content-Length: 9223372036854775808\r\n\r\nhello", fails: "bad HTTP Content-Length"},
		{name: "length beyond 64 bits", wire: ok + "Content-Length: 99999999999999999999999\r\n\r\nhello", fails: "bad HTTP Content-Length"},
		{name: "length and chunks", wire: ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", want: "200 hello"},
		{name: "bad length and chunks", wire: ok + "Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", fails: "Content-Length"},
		{name: "until the end", wire: ok + "\r\nhello", want: "200 hello"},
		{name: "until the end, nothing", wire: ok + "\r\n", want: "200 "},

		{name: "chunks", wire: isChunked + "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", want: "200 hello world"},
		{name: "no chunk", wire: isChunked + "0\r\n\r\n", want: "200 "},
		{name: "chunked in capitals", wire: ok + "TRANSFER-ENCODING: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", want: "200 a"},
		{name: "size in capitals, leading zeros", wire: isChunked + "00A\r\n0123456789\r\n00\r\n\r\n", want: "200 0123456789"},
		{name: "size of sixteen digits", wire: isChunked + "0000000000000001\r\na\r\n0\r\n\r\n", want: "200 a"},
		{name: "size of seventeen digits", wire: isChunked + "00000000000000001\r\na\r\n0\r\n\r\n", fails: "chunk size", want: "200 "},
		{name: "size with blanks behind", wire: isChunked + "1 \t\r\na\r\n0\r\n\r\n", want: "200 a"},
		{name: "size with a blank before", wire: isChunked + " 1\r\na\r\n0\r\n\r\n", fails: "chunk size", want: "200 "},
		{name: "size that is none", wire: isChunked + "5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n", fails: "chunk size", want: "200 hello"},
		{name: "no size", wire: isChunked + "\r\nhello\r\n0\r\n\r\n", fails: "chunk size", want: "200 "},
		{name: "negative size", wire: isChunked + "-1\r\nhello\r\n", fails: "chunk size", want: "200 "},
		{name: "huge size", wire: isChunked + "ffffffffffffffff\r\nhello", fails: "chunk size", want: "200 "},
		{name: "extension", wire: isChunked + "5;name=value;other=\"a b\"\r\nhello\r\n0;x\r\n\r\n", want: "200 hello"},
		{name: "long line before a chunk", wire: isChunked + "5;" + long + "\r\nhello\r\n0\r\n\r\n", fails: "too long", want: "200 "},
		{
			name: "much framing, excused by the chunks between",
			wire: isChunked + strings.Repeat("1;"+long[:60]+"\r\na\r\n40\r\n"+long[:64]+"\r\n", 400) + "0\r\n\r\n",
			want: "200 " + strings.Repeat("a"+long[:64], 400),
		},
		{
			name: "much framing, little data", wire: isChunked + strings.Repeat("1;"+long[:2000]+"\r\na\r\n", 100) + "0\r\n\r\n",
			fails: "more framing than data", want: "200 aaaaaaaa",
		},
		{name: "line feeds alone", wire: isChunked + "5\nhello\n0\n\n", fails: "chunk line", want: "200 "},
		{name: "line feed alone behind a chunk", wire: isChunked + "5\r\nhello\n0\r\n\r\n", fails: "line end should be", want: "200 hello"},
		{name: "carriage return in a size", wire: isChunked + "5\r;\r\nhello\r\n0\r\n\r\n", fails: "chunk line", want: "200 "},
		{name: "chunk longer than its size", wire: isChunked + "4\r\nhello\r\n0\r\n\r\n", fails: "line end should be", want: "200 hell"},
		{name: "chunk shorter than its size", wire: isChunked + "6\r\nhello\r\n0\r\n\r\n", fails: "line end should be", want: "200 hello\r"},
		{name: "end in a size", wire: isChunked + "5\r\nhello\r\n1", fails: "unexpected EOF", want: "200 hello"},
		{name: "end in a chunk", wire: isChunked + "5\r\nhel", fails: "unexpected EOF", want: "200 hel"},
		{name: "end behind a chunk", wire: isChunked + "5\r\nhello", fails: "unexpected EOF", want: "200 hello"},
		{name: "end before the last chunk", wire: isChunked + "5\r\nhello\r\n", fails: "unexpected EOF", want: "200 hello"},
		{name: "end in the last line", wire: isChunked + "5\r\nhello\r\n0\r\n", fails: "unexpected EOF", want: "200 hello"},
		{name: "trailers", wire: isChunked + "5\r\nhello\r\n0\r\nA: b\r\nC:\td\r\n\r\n", want: "200 hello"},
		{name: "folded trailer", wire: isChunked + "0\r\nA: b\r\n c\r\n\r\n", want: "200 "},
		{name: "trailer that begins folded", wire: isChunked + "0\r\n c: d\r\n\r\n", fails: "trailer", want: "200 "},
		{name: "trailer without a colon", wire: isChunked + "0\r\nA\r\n\r\n", fails: "trailer", want: "200 "},
		{name: "trailer with a bad name", wire: isChunked + "0\r\nA b: c\r\n\r\n", fails: "trailer", want: "200 ", differs: stricter},
		{name: "trailer cut", wire: isChunked + "0\r\nA: b\r\n", fails: "unexpected EOF", want: "200 "},
		{name: "long trailer", wire: isChunked + "0\r\nA: " + strings.Repeat(long, 10) + "\r\n\r\n", fails: "too long", want: "200 "},
		{name: "trailer line with a line feed", wire: isChunked + "0\r\nA: b\nC: d\r\n\r\n", fails: "chunk line", want: "200 ", differs: stricter},
		{
			name: "forbidden trailer announced", wire: ok + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n", want: "200 ",
			differs: "trailers are thrown away, whatever is announced",
		},

		{name: "another encoding", wire: ok + "Transfer-Encoding: gzip\r\n\r\nhello", fails: "Transfer-Encoding"},
		{name: "two encodings", wire: ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", fails: "Transfer-Encoding"},
		{name: "chunked twice", wire: ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", fails: "Transfer-Encoding"},
		{name: "chunks in HTTP/1.0", wire: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", want: "200 1\r\na\r\n"},

		{name: "no content", wire: "HTTP/1.1 204 No Content\r\n\r\n", want: "204 "},
		{name: "not modified, with a length", wire: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", want: "304 "},
		{name: "no content, but chunks", wire: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: "204 "},
		{name: "head", method: http.MethodHead, wire: ok + "Content-Length: 5\r\n\r\n", want: "200 "},
		{name: "head, chunked", method: http.MethodHead, wire: isChunked, want: "200 "},
		{name: "head, no content", method: http.MethodHead, wire: "HTTP/1.1 204 No Content\r\n\r\n", want: "204 "},
		{name: "head, bad length", method: http.MethodHead, wire: ok + "Content-Length: x\r\n\r\n", fails: "Content-Length"},

		{name: "interim response", wire: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 1\r\n\r\na", want: "200 a"},
		{name: "interim response, bad", wire: "HTTP/1.1 103 Early Hints\r\nContent-Length: x\r\n\r\n" + ok + "Content-Length: 1\r\n\r\na", fails: "Content-Length"},
		{name: "32 interim responses", wire: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 32) + ok + "Content-Length: 1\r\n\r\na", want: "200 a"},
		{name: "33 interim responses", wire: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 33) + ok + "Content-Length: 1\r\n\r\na", fails: "interim", differs: ourLimit},
		{name: "interim response alone", wire: "HTTP/1.1 100 Continue\r\n\r\n", fails: "unexpected EOF"},
		{name: "another protocol", wire: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", fails: "101", differs: noUpgrades},

		{name: "no reason", wire: "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na", want: "200 a"},
		{name: "empty reason", wire: "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\na", want: "200 a"},
		{name: "other numbers", wire: "HTTP/1.1 999 What\r\nContent-Length: 1\r\n\r\na", want: "999 a"},
		{name: "line feeds in the head", wire: "HTTP/1.1 200 OK\nContent-Length: 1\n\na", want: "200 a"},
		{name: "HTTP/1.0", wire: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", want: "200 a"},
		{name: "another version", wire: "HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\na", fails: "malformed HTTP response", differs: stricter},
		{name: "a later minor version", wire: "HTTP/1.2 200 OK\r\nContent-Length: 1\r\n\r\na", fails: "malformed HTTP response", differs: stricter},
		{name: "two blanks", wire: "HTTP/1.1  200 OK\r\nContent-Length: 1\r\n\r\na", fails: "status code", differs: stricter},
		{name: "status with a sign", wire: "HTTP/1.1 +20 OK\r\nContent-Length: 1\r\n\r\na", fails: "status code", differs: stricter},
		{name: "status below 100", wire: "HTTP/1.1 099 OK\r\nContent-Length: 1\r\n\r\na", fails: "status code", differs: stricter},
		{name: "status of two digits", wire: "HTTP/1.1 20 OK\r\n\r\n", fails: "status code"},
		{name: "status of four digits", wire: "HTTP/1.1 2000 OK\r\n\r\n", fails: "status code"},
		{name: "no status", wire: "HTTP/1.1\r\n\r\n", fails: "malformed HTTP response"},
		{name: "another protocol's words", wire: "SSH-2.0-x\r\n\r\n", fails: "malformed HTTP response"},
		{name: "nothing", wire: "", fails: "EOF"},
		{name: "end in the status line", wire: "HTTP/1.1 20", fails: "unexpected EOF"},
		{name: "end in the head", wire: ok + "Content-Le", fails: "unexpected EOF"},
		{name: "end before the empty line", wire: ok + "Content-Length: 1\r\n", fails: "unexpected EOF"},

		{name: "fields", wire: ok + "A: b\r\na:  c \t\r\nX-Empty:\r\nN: \x80\r\nContent-Length: 1\r\n\r\na", want: "200 a"},
		{name: "folded field", wire: ok + "A: b\r\n  c\r\n\td\r\nB:\r\n e\r\nContent-Length: 1\r\n\r\na", want: "200 a"},
		{name: "folded length", wire: ok + "Content-Length:\r\n 1\r\n\r\na", want: "200 a"},
		{name: "folded first line", wire: ok + " A: b\r\n\r\n", fails: "header line"},
		{name: "blank before the colon", wire: ok + "A : b\r\nContent-Length: 1\r\n\r\na", fails: "header line", differs: stricter},
		{name: "blank in a name", wire: ok + "A b: c\r\nContent-Length: 1\r\n\r\na", fails: "header line", differs: stricter},
		{name: "no name", wire: ok + ": b\r\n\r\n", fails: "header line"},
		{name: "no colon", wire: ok + "A\r\n\r\n", fails: "header line"},
		{name: "control character in a value", wire: ok + "A: b\x00c\r\n\r\n", fails: "header line"},
		{name: "carriage return in a value", wire: ok + "A: b\rc\r\n\r\n", fails: "header line"},
		{name: "control character in a name", wire: ok + "A\x01: b\r\n\r\n", fails: "header line"},
		{name: "many fields", wire: ok + strings.Repeat("A: b\r\n", 511) + "Content-Length: 1\r\n\r\na", want: "200 a"},
		{name: "too many fields", wire: ok + strings.Repeat("A: b\r\n", 512) + "Content-Length: 1\r\n\r\na", fails: "more than 512 lines", differs: ourLimit},
		{name: "long field", wire: ok + "A: " + strings.Repeat(long, 40) + "\r\nContent-Length: 1\r\n\r\na", want: "200 a"},
		{name: "too long a field", wire: ok + "A: " + strings.Repeat(long, 60), fails: "longer than 256 KiB"},
		{
			name: "long interim responses", fails: "longer than 256 KiB", differs: ourLimit,
			wire: strings.Repeat("HTTP/1.1 102 Processing\r\nA: "+strings.Repeat(long, 10)+"\r\n\r\n", 6) + ok + "Content-Length: 1\r\n\r\na",
		},
		{name: "closing", wire: ok + "Connection: close\r\nContent-Length: 1\r\n\r\na", want: "200 a"},
		{name: "closing, among others", wire: ok + "Connection: x, Close\r\nContent-Length: 1\r\n\r\na", want: "200 a"},
	}
}

// TestResponses holds every rule: the bytes in one read, and cut at every size that could matter.
func TestResponses(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			method := v.method
			if method == "" {
				method = http.MethodGet
			}
			for _, size := range []int{len(v.wire) + 1, 1, 2, 3, 5, 16, 61, 4096} {
				if len(v.wire)/size > 5000 {
					continue
				}
				got := ours(t, method, pieces(v.wire, size))
				if v.fails == "" {
					require.NoError(t, got.err, "reads of %d", size)
				} else {
					require.ErrorContains(t, got.err, v.fails, "reads of %d", size)
				}
				if v.want != "" {
					assert.Equal(t, v.want, fmt.Sprintf("%d %s", got.status, got.body), "reads of %d", size)
				} else {
					assert.Zero(t, got.status)
				}
				if net := theirs(t, method, pieces(v.wire, size)); v.differs == "" {
					same(t, got, net)
				} else {
					assert.NotEqual(t, got.err == nil, net.err == nil, "no difference: %s", v.differs)
				}
			}
		})
	}
}

// same requires that both made the same of some bytes; where both failed, that neither made up anything.
func same(t testing.TB, our, net answer) {
	t.Helper()
	require.Equal(t, net.err == nil, our.err == nil, "ours: %v; net/http: %v", our.err, net.err)
	short, long := min(our.body, net.body), max(our.body, net.body)
	require.True(t, strings.HasPrefix(long, short), "ours: %q; net/http: %q", our.body, net.body)
	if our.err != nil {
		return
	}
	our.err, net.err = nil, nil
	require.Equal(t, net, our)
}

// Bytes that one read brought are given by one after another, and none waits for the end of its HTTP chunk.
func TestReadGivesWhatIsThere(t *testing.T) {
	w := newWire([]byte(isChunked+"5\r\nhe"), []byte("llo\r"), []byte("\n6\r\n wor"), []byte("ld\r\n0\r\n\r\n"))
	transport := transportTo(w)
	response := get(t, transport)
	for _, want := range []string{"he", "llo", " wor", "ld"} {
		p := make([]byte, 100)
		n, err := response.Body.Read(p)
		require.NoError(t, err)
		assert.Equal(t, want, string(p[:n]))
	}
	_, err := response.Body.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
	assert.False(t, w.isClosed())
}
