package record

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Open opens a file of a results folder for reading. What is no regular file is refused: to open a named pipe would wait for its writer for
// ever, and a device may never end.
func Open(path string) (*os.File, error) { return openRegular(path, os.O_RDONLY) }

// openRegular opens without waiting, and then looks at what it opened: a look before that could be at another file.
func openRegular(path string, flag int) (*os.File, error) {
	file, err := os.OpenFile(path, flag|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := RequireRegular(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// RequireRegular returns an error that says what an open file is instead of a regular one.
func RequireRegular(file *os.File) error {
	info, err := file.Stat()
	if err != nil || info.Mode().IsRegular() {
		return err
	}
	kind := "a device"
	switch info.Mode().Type() {
	case fs.ModeDir:
		kind = "a directory"
	case fs.ModeNamedPipe:
		kind = "a named pipe"
	}
	return fmt.Errorf("%s: is %s where a regular file belongs: move or delete it", file.Name(), kind)
}

// readFile reads the whole of a regular file.
func readFile(path string) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}
