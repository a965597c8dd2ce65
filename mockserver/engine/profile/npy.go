package profile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// array is a table of numbers with one or two axes, the last one running fastest.
type array struct {
	shape []int
	data  []float64
}

// mostElements bounds what a header may ask for; real profiles have thousands.
const mostElements = 1 << 20

// parseNPY reads one array.
func parseNPY(b []byte) (array, error) {
	header, body, err := splitNPY(b)
	if err != nil {
		return array{}, err
	}
	kind := field(header, `'descr':\s*'([^']*)'`)
	order := field(header, `'fortran_order':\s*(True|False)`)
	dimensions := field(header, `'shape':\s*\(([^)]*)\)`)
	if kind == nil || order == nil || dimensions == nil {
		return array{}, fmt.Errorf("header %q: must have descr, fortran_order and shape", header)
	}
	shape, elements, err := parseShape(*dimensions)
	if err != nil {
		return array{}, err
	}
	data, err := decode(*kind, body, elements)
	if err != nil {
		return array{}, err
	}
	if *order == "True" && len(shape) == 2 {
		data = transposed(data, shape[0], shape[1])
	}
	return array{shape, data}, nil
}

// splitNPY parts the header from the elements.
func splitNPY(b []byte) (string, []byte, error) {
	const magic = "\x93NUMPY"
	if len(b) < 8 || !bytes.HasPrefix(b, []byte(magic)) {
		return "", nil, errors.New("not an NPY array: it does not begin with \\x93NUMPY")
	}
	size := 2
	if version := b[6]; version == 2 || version == 3 {
		size = 4
	} else if version != 1 {
		return "", nil, fmt.Errorf("NPY version %d: must be 1, 2 or 3", version)
	}
	b = b[8:]
	if len(b) < size {
		return "", nil, errors.New("the header is cut off")
	}
	length := uint64(binary.LittleEndian.Uint16(b))
	if size == 4 {
		length = uint64(binary.LittleEndian.Uint32(b))
	}
	b = b[size:]
	if uint64(len(b)) < length {
		return "", nil, errors.New("the header is cut off")
	}
	return string(b[:length]), b[length:], nil
}

func field(header, pattern string) *string {
	match := regexp.MustCompile(pattern).FindStringSubmatch(header)
	if match == nil {
		return nil
	}
	return &match[1]
}

func parseShape(dimensions string) (shape []int, elements int, err error) {
	elements = 1
	for d := range strings.SplitSeq(dimensions, ",") {
		if d = strings.TrimSpace(d); d == "" {
			continue // (3,) has one dimension, () none
		}
		n, err := strconv.Atoi(d)
		if err != nil || n < 0 || n > mostElements || n*elements > mostElements {
			return nil, 0, fmt.Errorf("shape (%s): must be at most two numbers with a product of at most %d", dimensions, mostElements)
		}
		shape = append(shape, n)
		elements *= n
	}
	if len(shape) > 2 {
		return nil, 0, fmt.Errorf("shape (%s): must be at most two numbers with a product of at most %d", dimensions, mostElements)
	}
	if len(shape) == 0 {
		shape = []int{1} // a single number
	}
	return shape, elements, nil
}

// decode reads elements of a type as numpy writes it.
func decode(kind string, b []byte, elements int) ([]float64, error) {
	size := 8
	var element func(b []byte) float64
	little := binary.LittleEndian
	switch kind {
	case "<f8":
		element = func(b []byte) float64 { return math.Float64frombits(little.Uint64(b)) }
	case "<i8":
		element = func(b []byte) float64 { return float64(int64(little.Uint64(b))) }
	case "<f4":
		size, element = 4, func(b []byte) float64 { return float64(math.Float32frombits(little.Uint32(b))) }
	case "<i4":
		size, element = 4, func(b []byte) float64 { return float64(int32(little.Uint32(b))) }
	default:
		return nil, fmt.Errorf(`element type %q: must be one of "<f8", "<f4", "<i8", "<i4"`, kind)
	}
	if len(b) != size*elements {
		return nil, fmt.Errorf("%d bytes of data: must be %d for %d elements of type %q", len(b), size*elements, elements, kind)
	}
	data := make([]float64, elements)
	for k := range data {
		data[k] = element(b[size*k:])
	}
	return data, nil
}

// transposed turns columns one after the other into rows one after the other.
func transposed(columns []float64, height, width int) []float64 {
	rows := make([]float64, len(columns))
	for i := range height {
		for j := range width {
			rows[i*width+j] = columns[j*height+i]
		}
	}
	return rows
}
