// Package lock lets one process at a time use a folder.
//
// The lock is flock(2) on a file, which the kernel releases when its holder dies, in whatever way; the file's text, with process, host and
// time, is for people. Containers often run as process 1 under one host name, so that the text alone would tell little. Only where the
// file system knows no flock, as some network volumes, the text decides: a holder on this host that is gone is no holder, and of one on
// another host nothing can be known.
package lock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Lock is a folder that this process holds.
type Lock struct {
	file *os.File
	path string
}

// Holder is the text of a lock's file.
type Holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// String names the process, in one line: the host is a text of the file's.
func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d on host %s, since %s", h.PID, record.Printable(h.Host), h.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// HeldError says that another process holds the lock, or may hold it.
type HeldError struct {
	Path    string
	Holder  Holder
	Unknown bool // whether it still runs
}

// Error names the holder and says what to do.
func (e *HeldError) Error() string {
	dir := filepath.Dir(e.Path)
	if e.Unknown {
		return fmt.Sprintf("%s may be in use by %s: this volume cannot tell whether that still runs; if it does not, delete %s", dir, e.Holder, e.Path)
	}
	return fmt.Sprintf("%s is in use by %s: wait for its end, or stop it", dir, e.Holder)
}

// Acquire takes the lock of path, or returns a *HeldError. left is who held it last where it died without a release, else nil.
func Acquire(path string) (l *Lock, left *Holder, err error) { return acquire(path, flock) }

// attempts bounds how often a file is opened anew because its holder removed it in the meantime.
const attempts = 100

func acquire(path string, flock func(*os.File) error) (*Lock, *Holder, error) {
	for range attempts {
		file, err := open(path)
		if err != nil {
			return nil, nil, err
		}
		left := read(file)
		switch err = flock(file); {
		case errors.Is(err, errUnsupported):
			err = judge(path, left)
		case err != nil:
			err = &HeldError{Path: path, Holder: left}
		case !isAt(file, path):
			_ = file.Close()
			continue
		}
		if err == nil {
			err = write(file)
		}
		if err != nil {
			return nil, nil, errors.Join(err, file.Close())
		}
		l := &Lock{file, path}
		if left.PID == 0 {
			return l, nil, nil
		}
		return l, &left, nil
	}
	return nil, nil, fmt.Errorf("locking %s: it is removed and made again all the time", path)
}

// open opens the file of a lock, or makes it. A link is refused: whoever may write in the folder could have us write wherever it leads. So is
// what is no regular file.
func open(path string) (*os.File, error) {
	linked := func() bool {
		info, err := os.Lstat(path)
		return err == nil && info.Mode()&fs.ModeSymlink != 0
	}
	errLink := fmt.Errorf("%s: is a symbolic link, which is not followed: delete it", path)
	if noFollow == 0 && linked() {
		return nil, errLink
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow|noWait, 0o644)
	if err != nil && linked() {
		return nil, errLink
	}
	if err != nil {
		return nil, err
	}
	if err := record.RequireRegular(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// errUnsupported: the file system has no flock.
var errUnsupported = errors.New("no flock")

// judge decides by the text alone. A process with our own number is not another one: the container was started again.
func judge(path string, h Holder) error {
	host, _ := os.Hostname()
	switch {
	case h.PID == 0:
		return nil
	case h.Host != host:
		return &HeldError{Path: path, Holder: h, Unknown: true}
	case h.PID != os.Getpid() && alive(h.PID):
		return &HeldError{Path: path, Holder: h}
	}
	return nil
}

// isAt reports whether the file is still the one at path: its last holder removes it.
func isAt(file *os.File, path string) bool {
	ours, err1 := file.Stat()
	there, err2 := os.Lstat(path)
	return err1 == nil && err2 == nil && os.SameFile(ours, there)
}

// read returns the text, or an empty one where there is none yet.
func read(file *os.File) Holder {
	var h Holder
	data, _ := io.ReadAll(io.LimitReader(file, 4096))
	if json.Unmarshal(data, &h) != nil {
		return Holder{}
	}
	return h
}

func write(file *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	data, err := json.Marshal(Holder{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(append(data, '\n'), 0)
	return err
}

// Release removes the file and lets go. A nil Lock is released already.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	err := os.Remove(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // somebody was told to delete it
	}
	return errors.Join(err, l.file.Close())
}
