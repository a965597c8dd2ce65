package instrument

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
)

// What a canary's writer needs of HTTP/2 (RFC 9113, 4.1 and 6): kinds of frames and their flags. Its answers are smaller than the window that
// net/http's client gives each stream.
const (
	kindData     = 0x0
	kindHeaders  = 0x1
	kindSettings = 0x4
	kindPing     = 0x6

	flagAck        = 0x1 // of settings and pings
	flagEndStream  = 0x1 // of data and headers
	flagEndHeaders = 0x4
)

// preface is what a client of HTTP/2 begins with.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// receiveHTTP2 takes frames up to the end of a request and returns how its stream is answered. What came since the last request, such as
// news of windows, has waited on the connection for so long.
func receiveHTTP2(in *bufio.Reader, out net.Conn) (script, error) {
	for {
		kind, flags, stream, payload, err := readFrame(in, out)
		if err != nil {
			return script{}, err
		}
		switch {
		case (kind == kindHeaders || kind == kindData) && flags&flagEndStream != 0:
			return newFrameScript(stream), nil
		case (kind == kindSettings || kind == kindPing) && flags&flagAck == 0:
			if kind == kindSettings {
				payload = nil
			}
			if _, err := out.Write(frame(kind, flagAck, 0, payload)); err != nil {
				return script{}, err
			}
		}
	}
}

// readFrame reads a frame, after the preface if that is what comes, which is answered by settings of ours: all as it is by default.
func readFrame(in *bufio.Reader, out net.Conn) (kind, flags byte, stream uint32, payload []byte, err error) {
	if start, err := in.Peek(4); err == nil && string(start) == preface[:4] {
		if _, err := in.Discard(len(preface)); err != nil {
			return 0, 0, 0, nil, err
		}
		if _, err := out.Write(frame(kindSettings, 0, 0, nil)); err != nil {
			return 0, 0, 0, nil, err
		}
	}
	var head [9]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, 0, 0, nil, err
	}
	size := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	payload = make([]byte, size)
	_, err = io.ReadFull(in, payload)
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]), payload, err
}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	f := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	f = binary.BigEndian.AppendUint32(append(f, flags), stream)
	return append(f, payload...)
}

// newFrameScript is newScript for a stream of HTTP/2.
func newFrameScript(stream uint32) script {
	// Field 8 of HPACK's static table is ":status: 200"; "content-type" is the name of field 31, with a value that follows (RFC 7541, 6).
	const kind = "text/event-stream"
	fields := append([]byte{0x80 | 8, 0x0f, 31 - 15, byte(len(kind))}, kind...)
	return script{
		head:  frame(kindHeaders, flagEndHeaders, stream, fields),
		chunk: frame(kindData, 0, stream, []byte(chunkEvent)),
		tail:  frame(kindData, flagEndStream, stream, []byte(tailEvents)),
	}
}
