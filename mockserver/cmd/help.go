package cmd

import (
	"flag"
	"fmt"
	"io"
)

// group is a heading of the help text and the flags under it.
type group struct {
	title string
	flags []string
}

func groups() []group {
	return []group{
		{"Where to serve", []string{"host", "port"}},
		{"What to serve", []string{"model-name", "max-model-len", "seed"}},
		{"How fast", []string{"speedup-ratio", "decode-speedup-ratio"}},
		{"The engine", []string{"max-num-seqs", "max-num-batched-tokens", "num-gpu-blocks-override", "block-size"}},
	}
}

// printHelp writes what -h shows.
func printHelp(w io.Writer) {
	fmt.Fprint(w, `Usage: mockserver [flags]

Serves the OpenAI API without a model: answers are random words, and take the
time that a continuously batching engine would take for them. Stop it with
Ctrl-C.
`)
	fs := new(command).flags()
	for _, g := range groups() {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, name := range g.flags {
			printFlag(w, fs.Lookup(name))
		}
	}
}

func printFlag(w io.Writer, f *flag.Flag) {
	value, usage := flag.UnquoteUsage(f)
	fmt.Fprintf(w, "  -%s %s\n      %s (default %s)\n", f.Name, value, usage, f.DefValue)
}
