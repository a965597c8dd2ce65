package chart

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"

	"gonum.org/v1/plot/vg/vgimg"
)

// dotsPerInch is the resolution of all pictures.
const dotsPerInch = 300

// WritePNG draws c at 300 dots per inch and writes the picture to w: 3600 x 2400 pixels for [Scatter], else 3000 x
// 1800. It returns the problems of [Chart.Validate], or the error of w; in the first case nothing is written.
func (c Chart) WritePNG(w io.Writer) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if err := encodePNG(w, c.image()); err != nil {
		return fmt.Errorf("writing chart %q: %w", c.Title, err)
	}
	return nil
}

func (c Chart) image() image.Image {
	width, height := c.size()
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dotsPerInch), vgimg.UseBackgroundColor(color.White))
	paint(c, canvas)
	return canvas.Image()
}

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
