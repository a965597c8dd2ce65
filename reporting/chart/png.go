package chart

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"math"
)

// dotsPerInch is the resolution of all pictures.
const dotsPerInch = 300

// encodePNG writes img with its resolution. The standard encoder writes no pHYs
// chunk, and a word processor then places a picture of 10 inches at 31.
func encodePNG(w io.Writer, img image.Image) error {
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, img); err != nil {
		return err
	}
	const header = 8 + 25 // signature and IHDR, which must come first
	data := encoded.Bytes()
	for _, part := range [][]byte{data[:header], resolutionChunk(), data[header:]} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// resolutionChunk is the pHYs chunk: dots per metre in x and y, unit metre.
func resolutionChunk() []byte {
	perMetre := uint32(math.Round(dotsPerInch / 0.0254))
	body := []byte("pHYs")
	body = binary.BigEndian.AppendUint32(body, perMetre)
	body = binary.BigEndian.AppendUint32(body, perMetre)
	body = append(body, 1)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	chunk = append(chunk, body...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(body))
}
