package dataset

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// columns is where a BurstGPT table has what matters, by position.
type columns struct{ timestamp, request, response int }

// The names of these columns.
const (
	timestampColumn = "Timestamp"
	requestColumn   = "Request tokens"
	responseColumn  = "Response tokens"
)

// header finds the columns in the first row of a table.
func header(names []string) (columns, error) {
	var missing []string
	find := func(name string) int {
		i := slices.IndexFunc(names, func(n string) bool { return strings.TrimSpace(n) == name })
		if i < 0 {
			missing = append(missing, name)
		}
		return i
	}
	c := columns{find(timestampColumn), find(requestColumn), find(responseColumn)}
	if missing != nil {
		return c, fmt.Errorf("the header has no column %q: must have Timestamp, Request tokens and Response tokens", missing)
	}
	return c, nil
}

// parse reads a row from its bytes.
func (c columns) parse(raw []byte, f *found) (string, error) {
	row, err := csv.NewReader(bytes.NewReader(raw)).Read()
	if err != nil {
		return "", err
	}
	if len(row) <= max(c.timestamp, c.request, c.response) {
		return "", csv.ErrFieldCount
	}
	return c.read(row, f)
}

// read reads a row. Those of requests that failed have no response tokens.
func (c columns) read(row []string, f *found) (skip string, err error) {
	cell := func(i int) string { return strings.TrimSpace(row[i]) }
	var inputErr, outputErr, atErr error
	f.input, inputErr = count(requestColumn, cell(c.request), 0)
	f.output, outputErr = count(responseColumn, cell(c.response), 0)
	f.at, atErr = instant(timestampColumn, cell(c.timestamp), time.Second)
	if err := cmp.Or(atErr, inputErr, outputErr); err != nil {
		return "", err
	}
	switch {
	case f.output == 0:
		return "failed: it has no response tokens", nil
	case f.input == 0:
		return "has no request tokens", nil
	}
	return "", nil
}

// table reads a CSV file.
func (p *pass) table() error {
	reader := csv.NewReader(limited{p})
	reader.ReuseRecord = true
	p.renew()
	names, err := reader.Read()
	if err == nil {
		var c columns
		if c, err = header(names); err == nil {
			p.d.parse = c.parse
			return p.rows(reader, c)
		}
	}
	p.fault(1, csvReason(err))
	return nil
}

func (p *pass) rows(reader *csv.Reader, c columns) error {
	for {
		begin := reader.InputOffset()
		p.renew()
		row, err := reader.Read()
		var mistake *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &mistake):
			p.fault(uint32(mistake.StartLine), mistake.Err)
			continue
		case err != nil:
			return p.broken(p.lineAt(p.base+begin), err)
		}
		line, _ := reader.FieldPos(0)
		p.found = found{}
		skip, err := c.read(row, &p.found)
		p.keep(place{p.base + begin, uint32(reader.InputOffset() - begin), uint32(line)}, skip, err)
	}
}

// csvReason is a mistake without its position, which stands before it already.
func csvReason(err error) error {
	var mistake *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("is empty")
	case errors.As(err, &mistake):
		return mistake.Err
	}
	return err
}
