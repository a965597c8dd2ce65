package mockserver

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

const (
	defaultDimensions = 768
	mostDimensions    = 65536
	mostInputs        = 2048    // OpenAI's
	mostNumbers       = 1 << 23 // of all vectors: 2048 of 4096 dimensions
)

// embeddingRequest is what a request for embeddings may say.
type embeddingRequest struct {
	Model          string `json:"model"`
	Input          inputs `json:"input"`
	EncodingFormat string `json:"encoding_format"`
	Dimensions     *int   `json:"dimensions"`
}

// dimensions is the length of the vectors.
func (b *embeddingRequest) dimensions() int {
	if b.Dimensions == nil {
		return defaultDimensions
	}
	return *b.Dimensions
}

func (b *embeddingRequest) check() *failure {
	switch n := b.dimensions(); {
	case len(b.Input) == 0:
		return invalid(http.StatusBadRequest, "missing_input", "The request has no input.").of("input")
	case len(b.Input) > mostInputs:
		return invalid(http.StatusBadRequest, "invalid_value", "input has %d texts: at most %d are allowed.", len(b.Input), mostInputs).of("input")
	case n < 1 || n > mostDimensions:
		return outOfRange("dimensions", float64(n), 1, mostDimensions)
	case len(b.Input)*n > mostNumbers:
		return invalid(http.StatusBadRequest, "invalid_value",
			"input has %d texts of %d dimensions each: the vectors of a request may have at most %d numbers together; send fewer texts at a time.",
			len(b.Input), n, mostNumbers).of("input")
	}
	switch b.EncodingFormat {
	case "", "float", "base64":
		return nil
	default:
		return invalid(http.StatusBadRequest, "invalid_value",
			"encoding_format is %q: must be float or base64.", b.EncodingFormat).of("encoding_format")
	}
}

// serveEmbeddings answers with vectors that follow from the texts. The engines compute
// each text as a prompt.
func (s *Server) serveEmbeddings(w http.ResponseWriter, r *http.Request) {
	e := s.begin(w, r, "embeddings")
	defer e.end()
	var b embeddingRequest
	fail := readBody(w, r, &b)
	if fail == nil {
		fail = e.withoutFault()
	}
	if fail == nil {
		fail = s.hasModel(b.Model)
	}
	if fail == nil {
		fail = b.check()
	}
	var texts []tokens
	if fail == nil {
		texts, fail = s.embeddable(b.Input)
	}
	if fail != nil {
		e.refuse(fail)
		return
	}
	// What engines and record need to know of it is what they know of answers of one token.
	c := &call{prompts: texts, n: 1, length: 1, ignoreEOS: true, pooled: true}
	e.line.understood(c)
	d := s.newRenderer(c, s.numbers(len(texts)), 0)
	e.line.identified(d, d.choices[0].number)
	if !e.submit(d) {
		e.refuse(shuttingDown())
		return
	}
	if !e.complete(d) {
		return
	}
	e.line.write(s.loop, len(texts))
	e.seen.Succeed(s.loop.now(), c.promptTokens(), 0)
	writeJSON(w, http.StatusOK, b.vectors(c.promptTokens()))
}

// embeddable turns texts into tokens and fails where an engine could never hold one.
func (s *Server) embeddable(in inputs) ([]tokens, *failure) {
	texts := make([]tokens, 0, len(in))
	for k := range in {
		t := in[k].tokens(s.options.BlockSize)
		if err := s.options.fleet().Check(t.count, 1); err != nil {
			return nil, invalid(http.StatusBadRequest, "context_length_exceeded", "%v.", err).of("input")
		}
		texts = append(texts, t)
	}
	return texts, nil
}

// embedding is one vector as a document has it.
type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // a list of numbers or base64
}

func (b *embeddingRequest) vectors(prompt int) any {
	data := make([]embedding, len(b.Input))
	for k, in := range b.Input {
		vector := in.vector(b.dimensions())
		data[k] = embedding{"embedding", k, vector}
		if b.EncodingFormat == "base64" {
			data[k].Embedding = base64.StdEncoding.EncodeToString(littleEndian(vector))
		}
	}
	return struct {
		Object string         `json:"object"`
		Data   []embedding    `json:"data"`
		Model  string         `json:"model"`
		Usage  map[string]int `json:"usage"`
	}{"list", data, b.Model, map[string]int{"prompt_tokens": prompt, "total_tokens": prompt}}
}

// vector is of length one and follows from all tokens of the text: equal texts have
// equal vectors.
func (in input) vector(dimensions int) []float32 {
	h := engine.NewHasher(1) // the last block stands for all tokens
	c := &counter{hasher: h}
	c.words(in.text)
	for _, id := range in.ids {
		c.add(id)
	}
	seed := uint64(0)
	if blocks := h.Blocks(); len(blocks) > 0 {
		seed = blocks[len(blocks)-1]
	}
	vector := make([]float32, dimensions)
	square := 0.0
	for k := range vector {
		x := float64(random(seed, 0, uint64(k))>>11)/(1<<52) - 1
		vector[k] = float32(x)
		square += x * x
	}
	for k := range vector {
		vector[k] /= float32(math.Sqrt(square))
	}
	return vector
}

// littleEndian is a vector in the bytes that clients expect under base64.
func littleEndian(vector []float32) []byte {
	b := make([]byte, 0, 4*len(vector))
	for _, x := range vector {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
