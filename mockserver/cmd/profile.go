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
func (s *settings) measured(given string) error {
	p, err := s.loadProfile(given)
	path := s.resolve(given)
	switch {
	case err == nil:
		s.options.Timing = p
		for _, w := range p.Warnings() {
			s.Notes = append(s.Notes, fmt.Sprintf("planner-profile-data %q: %s", path, w))
		}
		return nil
	case !s.fallback || errors.Is(err, errNothing):
		return fmt.Errorf("planner-profile-data %q: %w", path, err)
	}
	s.profile = ""
	s.Notes = append(s.Notes, oneLine(fmt.Errorf("planner-profile-data %q: %w: using the default curves instead", path, err)).Error())
	return nil
}

// errNothing says that there is no profile to be bad.
var errNothing = errors.New("does not exist: must be an NPZ or JSON file, or the folder of a profiler")

// loadProfile reads a profile, or the folder that a profiler has written.
func (s *settings) loadProfile(path string) (*engine.Profile, error) {
	info, err := os.Stat(s.resolve(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errNothing
	case err != nil:
		return nil, err
	case info.IsDir():
		return s.loadFolder(path)
	}
	data, err := s.readFile(path)
	if err != nil {
		return nil, err
	}
	return profile.Parse(data)
}

func (s *settings) loadFolder(path string) (*engine.Profile, error) {
	prefill, err := s.readEither(path, profile.PrefillNPZ, profile.PrefillJSON)
	if err != nil {
		return nil, err
	}
	decode, err := s.readEither(path, profile.DecodeNPZ, profile.DecodeJSON)
	if err != nil {
		return nil, err
	}
	return profile.Convert(prefill, decode)
}

// readEither reads the first of two files that is there.
func (s *settings) readEither(folder, first, second string) ([]byte, error) {
	for _, name := range []string{first, second} {
		data, err := s.readFile(filepath.Join(folder, filepath.FromSlash(name)))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
	}
	return nil, fmt.Errorf("has neither %s nor %s", first, second)
}
