//go:build ignore

// Command gen writes the embedded files of package tokenizer: cl100k.ranks.gz and words.txt.
//
// The three vocabularies come from a Go module that this project does not depend on, so fetch it outside the repository. From the root
// of the repository:
//
//	dir=$(cd "$(mktemp -d)" && go mod init scratch 2>/dev/null && go mod download -json github.com/pkoukk/tiktoken-go-loader@v0.0.2 | sed -n 's/.*"Dir": "\(.*\)",/\1/p')
//	go run harness/tokenizer/gen/main.go "$dir"/assets/{cl100k,o200k,p50k}_base.tiktoken harness/tokenizer
//
// The last argument is the folder to write to. The same input gives the same bytes with the same Go release (compress/gzip may pack
// otherwise in another). The vocabularies' hashes are checked, so that an altered file is not taken for OpenAI's.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The files as OpenAI publishes them.
const (
	cl100kSHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
	o200kSHA256  = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
	p50kSHA256   = "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069"
)

// stopWords stay out of prompts: slurs, obscenities, and fragments that read as such.
const stopWords = `
anal anus ass asses asshole badass bastard bitch boobs bullshit cock crap crappy cum cunt dick ejac erotic fetish fuck fucked
fucking genital horny incest jew masturb negro nig nipple nipples nude orgasm penis piss pissed porn prostitute pussy rape raped
retard screwed semen sexy shit shitty slut sperm tit tits vagina vaginal`

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(stdout io.Writer, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("got %d arguments: give cl100k_base.tiktoken o200k_base.tiktoken p50k_base.tiktoken and the folder to write to", len(args))
	}
	cl100k, err1 := readVocabulary(args[0], cl100kSHA256)
	o200k, err2 := readVocabulary(args[1], o200kSHA256)
	p50k, err3 := readVocabulary(args[2], p50kSHA256)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	packed, err := packRanks(cl100k)
	if err != nil {
		return fmt.Errorf("packing %s: %w", args[0], err)
	}
	words := singleTokenWords(stdout, cl100k, o200k, p50k)
	return errors.Join(
		os.WriteFile(filepath.Join(args[3], "cl100k.ranks.gz"), packed, 0o644),
		os.WriteFile(filepath.Join(args[3], "words.txt"), []byte(words), 0o644))
}

// readVocabulary reads a .tiktoken file: a line for each token, its bytes in base64 and its rank.
func readVocabulary(path, wantSHA256 string) (map[string]int, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != wantSHA256 {
		return nil, fmt.Errorf("%s: SHA-256 %x: must be %s", path, sum, wantSHA256)
	}
	ranks := map[string]int{}
	for line := range strings.Lines(string(file)) {
		token, rank, _ := strings.Cut(strings.TrimSpace(line), " ")
		raw, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			return nil, fmt.Errorf("%s: token %q: %w", path, token, err)
		}
		if ranks[string(raw)], err = strconv.Atoi(rank); err != nil {
			return nil, fmt.Errorf("%s: rank of token %q: %w", path, token, err)
		}
	}
	return ranks, nil
}

// packRanks writes the tokens in the order of their ranks, each behind a byte with its length.
func packRanks(ranks map[string]int) ([]byte, error) {
	ordered := make([]string, len(ranks))
	for token, rank := range ranks {
		if rank >= len(ordered) || ordered[rank] != "" {
			return nil, fmt.Errorf("rank %d of token %q: the ranks must be 0 to %d, each once", rank, token, len(ordered)-1)
		}
		if len(token) > 255 {
			return nil, fmt.Errorf("token %q: must be at most 255 bytes long", token)
		}
		ordered[rank] = token
	}
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	for _, token := range ordered {
		if _, err := zip.Write(append([]byte{byte(len(token))}, token...)); err != nil {
			return nil, err
		}
	}
	err = zip.Close()
	return packed.Bytes(), err
}

// singleTokenWords lists the words that are one token behind a blank in every vocabulary, with "^" before those that are one without
// the blank too.
func singleTokenWords(stdout io.Writer, vocabularies ...map[string]int) string {
	word := regexp.MustCompile(`^ [a-z]{3,10}$`)
	stop := strings.Fields(stopWords)
	inAll := func(token string) bool {
		return !slices.ContainsFunc(vocabularies, func(ranks map[string]int) bool { _, ok := ranks[token]; return !ok })
	}
	var rest, listed []string
	first, left := 0, 0
	for token := range vocabularies[0] {
		if word.MatchString(token) && inAll(token) {
			rest = append(rest, token[1:])
		}
	}
	slices.Sort(rest)
	for _, w := range rest {
		mark := ""
		if inAll(w) {
			mark = "^"
			first++
		}
		if slices.Contains(stop, w) {
			left++
			continue
		}
		listed = append(listed, mark+w+"\n")
	}
	fmt.Fprintf(stdout, "%d words are one token behind a blank, %d of them without it too; %d left out\n", len(rest), first, left)
	return strings.Join(listed, "")
}
