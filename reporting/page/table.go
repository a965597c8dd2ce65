package page

import (
	"errors"
	"fmt"
	"strings"

	"github.com/llmsweep/llmsweep/reporting/chart"
)

// State is what a verdict says of figures. It has a colour, and must not be told by it alone.
type State string

// Figures that hold, that are in doubt, that do not hold, and of which nothing is known.
const (
	Good  State = "good"
	Doubt State = "doubt"
	Bad   State = "bad"
	None  State = "none"
)

// Column is the head of a table column.
type Column struct {
	Name string
	Unit string // shown below the name; may be empty
	Text bool   // left aligned; numbers stand right
}

// Mark singles out a cell among those of its column.
type Mark int

const (
	// NoMark is the mark of most cells.
	NoMark Mark = iota
	// BestHere is the best value of those that may be compared with it: of one load.
	BestHere
	// Best is the best value of the whole column.
	Best
)

// Cell is a cell of a table: texts that are already formatted.
type Cell struct {
	Text   string
	Detail string // smaller, below the text: an interval
	Mark   Mark
	Badges []Badge // in place of a text
	Series int     // the marker of series Series-1 stands before the text; 0: none
	Cut    bool    // the text is a name that stands whole elsewhere, and may be cut in its middle
}

// Texts are cells that are texts and no more.
func Texts(texts ...string) []Cell {
	cells := make([]Cell, len(texts))
	for i, text := range texts {
		cells[i].Text = text
	}
	return cells
}

// TextRows are rows of cells that are texts and no more.
func TextRows(rows [][]string) [][]Cell {
	all := make([][]Cell, len(rows))
	for i, row := range rows {
		all[i] = Texts(row...)
	}
	return all
}

// Table is a table. A reader sorts it by any column; a table whose rows stand in groups has to name the group in each row.
type Table struct {
	Title   string
	Caption string // a sentence below the table; may be empty
	Columns []Column
	Rows    [][]Cell // each as long as Columns; the first cell is the name of its row
}

func (t Table) validate() error {
	var problems []error
	for i, row := range t.Rows {
		if len(row) != len(t.Columns) {
			problems = append(problems, fmt.Errorf("table %q, row %d: %d cells for %d columns: must be equal", t.Title, i+1, len(row), len(t.Columns)))
		}
		for _, cell := range row {
			if cell.Series < 0 || cell.Series > chart.MaxSeries {
				problems = append(problems, fmt.Errorf("table %q, row %d: series %d: must be 0 to %d", t.Title, i+1, cell.Series, chart.MaxSeries))
			}
		}
	}
	return errors.Join(problems...)
}

// Classes are those of the cell's element, in a column of texts or of numbers.
func (c Cell) Classes(text bool) string {
	class := []string{NoMark: "", BestHere: "here", Best: "best"}[c.Mark]
	if text {
		class = strings.TrimSpace("text " + class)
	}
	return class
}

// Said is the mark in words, for those who do not see it.
func (c Cell) Said() string {
	return []string{NoMark: "", BestHere: "best at this load", Best: "best of the column"}[c.Mark]
}

// Marker is the marker before the text.
func (c Cell) Marker() *Marker {
	if c.Series == 0 {
		return nil
	}
	m := markerOf(c.Series - 1)
	return &m
}

// Marker is what makes a series recognisable.
type Marker struct{ Symbol, Color string }

func markerOf(i int) Marker { return Marker{Symbol: chart.SymbolPath(i), Color: chart.Color(i)} }

// halves cuts a long name where it may be shortened: what tells names apart is more often at their ends. It is nil for one that is short enough.
func halves(name string) []string {
	const most, tail = 24, 14 // characters
	runes := []rune(name)
	if len(runes) <= most {
		return nil
	}
	return []string{string(runes[:len(runes)-tail]), string(runes[len(runes)-tail:])}
}
