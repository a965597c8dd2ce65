package stat

// Interval is a range that holds an unknown figure with the confidence that it was asked for with. Its unit is the figure's.
type Interval struct{ Low, High float64 }

// Need says how many values a figure takes and how many there are: what to print in place of a figure that a sample is too small for.
type Need struct{ Needs, Have int }

// Met reports whether the sample is large enough.
func (n Need) Met() bool { return n.Have >= n.Needs }
