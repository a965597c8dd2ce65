package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// recipe is what a Dockerfile says.
type recipe struct {
	copies []copied
	config config
}

// copied is a folder of the context whose contents go to the root of the image.
type copied struct {
	from     string
	uid, gid int
}

// config is the part of an image's configuration that a container is started with, under the names of the OCI image specification.
type config struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
}

// readDockerfile reads a Dockerfile. Its error names the line that cannot be followed.
func readDockerfile(path string) (*recipe, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &recipe{config: config{ExposedPorts: map[string]struct{}{}, Labels: map[string]string{}}}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := r.follow(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
	}
	if len(r.config.Entrypoint) == 0 || len(r.copies) == 0 {
		return nil, fmt.Errorf("%s: an image needs COPY and ENTRYPOINT", path)
	}
	return r, nil
}

// follow takes one instruction.
func (r *recipe) follow(line string) error {
	name, rest, _ := strings.Cut(line, " ")
	words := strings.Fields(rest)
	if name == "ENTRYPOINT" {
		if err := json.Unmarshal([]byte(rest), &r.config.Entrypoint); err != nil {
			return fmt.Errorf(`ENTRYPOINT %s: must be a JSON list of strings: there is no shell to run it`, rest)
		}
		return nil
	}
	// Docker would read a meaning into these.
	if len(words) == 0 || strings.ContainsAny(rest, "\"'$\\") {
		return fmt.Errorf("%s %q: must have words without quotes, variables and continuation", name, rest)
	}
	switch name {
	case "FROM":
		return must(rest == "scratch", "FROM %q: must be scratch", rest)
	case "COPY":
		return r.copy(words)
	case "ENV":
		r.config.Env = append(r.config.Env, words...)
		return pairs(name, words, func(string, string) {})
	case "LABEL":
		return pairs(name, words, func(key, value string) { r.config.Labels[key] = value })
	case "WORKDIR":
		r.config.WorkingDir = rest
		return must(path.IsAbs(rest) && len(words) == 1, "WORKDIR %q: must be one absolute path", rest)
	case "USER":
		r.config.User = rest
		_, _, err := ids(rest)
		return err
	case "EXPOSE":
		for _, port := range words {
			r.config.ExposedPorts[port+"/tcp"] = struct{}{}
		}
		return must(!strings.Contains(rest, "/"), "EXPOSE %q: must be numbers of TCP ports", rest)
	}
	return fmt.Errorf("instruction %q: must be FROM, COPY, ENV, LABEL, WORKDIR, USER, EXPOSE or ENTRYPOINT", name)
}

// copy takes the words of COPY [--chown=UID:GID] FOLDER/ /.
func (r *recipe) copy(words []string) error {
	var c copied
	if owner, found := strings.CutPrefix(words[0], "--chown="); found {
		var err error
		if c.uid, c.gid, err = ids(owner); err != nil {
			return err
		}
		words = words[1:]
	}
	if len(words) != 2 || !strings.HasSuffix(words[0], "/") || words[1] != "/" {
		return fmt.Errorf("COPY %q: must be the contents of one folder to the root: COPY FOLDER/ /", words)
	}
	c.from = words[0]
	r.copies = append(r.copies, c)
	return nil
}

// ids reads an owner such as 1000:1000. Names would need a file of users in the image.
func ids(owner string) (uid, gid int, err error) {
	user, group, _ := strings.Cut(owner, ":")
	uid, errUser := strconv.Atoi(user)
	gid, errGroup := strconv.Atoi(group)
	if errors.Join(errUser, errGroup) != nil {
		return 0, 0, fmt.Errorf("owner %q: must be two numbers, UID:GID", owner)
	}
	return uid, gid, nil
}

// pairs calls use for each KEY=VALUE.
func pairs(name string, words []string, use func(key, value string)) error {
	for _, word := range words {
		key, value, found := strings.Cut(word, "=")
		if !found || key == "" {
			return fmt.Errorf("%s %q: must be KEY=VALUE", name, word)
		}
		use(key, value)
	}
	return nil
}

func must(holds bool, format string, values ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, values...)
}
