package forecast

// Sizes in bytes of what is written of a request, measured at requests of 16 to 1024 output tokens, each a chunk of its own, and met by a
// test within a fifth.
const (
	logLine       = 3200 // of the event log, and
	logChunk      = 20   // for each chunk
	exportedLine  = 2450 // of the same with metrics
	exportedChunk = 9
	inputFrame    = 120      // around a body
	levelFiles    = 64 << 10 // of fixed size, for each level
	reportFiles   = 4 << 20  // page, summary and charts
	picture       = 256 << 10
	pictures      = 20      // that all charts are, and
	levelPictures = 7       // for each level
	largestInputs = 1 << 30 // above it the recipe is kept
)

// Space is what results take, in bytes. Passing is what is needed for a while: bodies are written until they turn out to be too many.
type Space struct{ Log, Inputs, Other, Passing int64 }

// Kept is what stays.
func (s Space) Kept() int64 { return s.Log + s.Inputs + s.Other }

// Most is what is needed at once.
func (s Space) Most() int64 { return s.Kept() + s.Passing }

// Needed is the space for the results of levels; report says whether charts and page are drawn, too, and formats in how many formats all charts are.
func Needed(levels []Level, report bool, formats int) Space {
	var s Space
	for _, l := range levels {
		requests, chunks := int64(l.Requests()), int64(l.OutputTokens())
		s.Log += requests*logLine + chunks*logChunk
		if inputs := requests * int64(l.Body+inputFrame); inputs <= largestInputs {
			s.Inputs += inputs
		} else {
			s.Passing = largestInputs
		}
		s.Other += int64(l.Measured.Requests)*exportedLine + int64(l.Measured.OutputTokens)*exportedChunk + levelFiles
	}
	if report {
		s.Other += reportFiles + int64(formats)*int64(pictures+levelPictures*len(levels))*picture
	}
	return s
}
