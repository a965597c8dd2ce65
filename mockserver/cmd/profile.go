package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/engine/profile"
)

// measured takes the times from a profile. One that is bad is an error, unless -planner-profile-fallback asks for what Dynamo's mocker does: to
// say so and go on with the curves. A path at which there is nothing is always one.
func (s *settings) measured(path string) error {
	p, err := loadProfile(path)
	switch {
	case err == nil:
		s.options.Timing = p
		for _, w := range p.Warnings() {
			s.notes = append(s.notes, fmt.Sprintf("planner-profile-data %q: %s", path, w))
		}
		return nil
	case !s.fallback || errors.Is(err, errNothing):
		return fmt.Errorf("planner-profile-data %q: %w", path, err)
	}
	s.profile = ""
	s.notes = append(s.notes, oneLine(fmt.Errorf("planner-profile-data %q: %w: using the default curves instead", path, err)).Error())
	return nil
}

// errNothing says that there is no profile to be bad.
var errNothing = errors.New("does not exist: must be an NPZ or JSON file, or the folder of a profiler")

// loadProfile reads a profile, or the folder that a profiler has written.
func loadProfile(path string) (*engine.Profile, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errNothing
	case err != nil:
		return nil, err
	case info.IsDir():
		return loadFolder(path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return profile.Parse(data)
}

func loadFolder(path string) (*engine.Profile, error) {
	prefill, err := readEither(path, profile.PrefillNPZ, profile.PrefillJSON)
	if err != nil {
		return nil, err
	}
	decode, err := readEither(path, profile.DecodeNPZ, profile.DecodeJSON)
	if err != nil {
		return nil, err
	}
	return profile.Convert(prefill, decode)
}

// readEither reads the first of two files that is there.
func readEither(folder, first, second string) ([]byte, error) {
	for _, name := range []string{first, second} {
		data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
	}
	return nil, fmt.Errorf("has neither %s nor %s", first, second)
}
