package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/scripts/cluster"
)

// run downloads the folder.
func (d *download) run(ctx context.Context) (err error) {
	if d.tool, err = kubectl.Find(); err != nil {
		return err
	}
	d.pod = newPodName()
	// Before the cluster is bothered: a place that cannot be written to costs no pod.
	_, existed := os.Stat(d.outputDir)
	if err := os.MkdirAll(d.outputDir, 0o755); err != nil {
		return fmt.Errorf("output-dir %q cannot be written: %w", d.outputDir, err)
	}
	defer func() {
		if err != nil && errors.Is(existed, fs.ErrNotExist) {
			_ = os.Remove(d.outputDir) // if it is empty
		}
	}()
	root, err := os.OpenRoot(d.outputDir)
	if err != nil {
		return fmt.Errorf("output-dir %q cannot be opened: %w", d.outputDir, err)
	}
	defer root.Close()
	if err := d.checkVolume(ctx); err != nil {
		return stopped(ctx, err)
	}
	return d.throughPod(ctx, root)
}

// stopped puts the end of ctx in place of its consequences.
func stopped(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	return err
}

// throughPod starts the access pod, fetches the folder through it and removes the pod.
func (d *download) throughPod(ctx context.Context, root *os.Root) (err error) {
	over := d.announceEnd(ctx)
	defer over()
	defer func() {
		// Also when its start failed half-way.
		err = errors.Join(stopped(ctx, err), d.removePod())
	}()
	if err := d.startPod(ctx); err != nil {
		return err
	}
	received, err := d.fetch(ctx, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, received.discard()) }()
	dir := received.destination(d.outputDir, d.folder)
	kept, err := received.place(dir, d.overwrite)
	if err != nil {
		return d.localError(err)
	}
	where := filepath.Join(d.outputDir, dir)
	d.say("downloaded %d files (%s) to %s", len(received.files), megabytes(received.bytes), where)
	if kept {
		d.say("The plots that were there are kept; the next line draws them anew, of all benchmarks.")
	}
	d.say("Report: go run ./reporting/cmd/report -data-dir %s", d.dataDir(received, where))
	return nil
}

// announceEnd says how to remove the pod by hand as soon as ctx ends: what is waited for then, the start of the pod or its end, may take long.
// over must be called.
func (d *download) announceEnd(ctx context.Context) (over func()) {
	done, said := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(said)
		select {
		case <-ctx.Done():
			d.say("%v: stopping and removing the access pod; if this is ended too, remove it with: %s", context.Cause(ctx), d.removal())
		case <-done:
		}
	}()
	return func() {
		close(done)
		<-said
	}
}

// dataDir is the folder of which a report can be made: one that holds benchmarks.
func (d *download) dataDir(r *received, where string) string {
	if r.isBenchmark() {
		return filepath.Dir(where)
	}
	return where
}

// stallLimit is how long the stream may be silent: the pod reads a volume, which may be slow, but not that slow.
const stallLimit = time.Minute

// fetch receives the folder into a temporary place below root.
func (d *download) fetch(ctx context.Context, root *os.Root) (*received, error) {
	d.say("downloading %s", d.folder)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(d.stall, func() { cancel(fmt.Errorf("nothing came for %v", d.stall)) })
	defer stall.Stop()
	reader, writer := io.Pipe()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = writer.CloseWithError(d.stream(ctx, &watched{writer, func() { stall.Reset(d.stall) }}))
	}()
	r, err := receive(reader, root, d.progress(time.Now()))
	if err == nil {
		err = r.drain(reader)
	}
	_ = reader.CloseWithError(errors.New("the reader gave up"))
	cancel(err)
	<-sent
	if err != nil {
		return nil, d.localError(err)
	}
	if len(r.files) == 0 {
		return nil, errors.Join(fmt.Errorf("folder %q: has no files%s; has the benchmark written already? kubectl logs job/dynamo-benchmark -n %s",
			d.folder, map[bool]string{true: " other than configuration"}[d.noConfig], d.namespace), r.discard())
	}
	return r, nil
}

// stream runs the program in the pod that writes the tar.
func (d *download) stream(ctx context.Context, w io.Writer) error {
	args := []string{"exec", d.pod, "-c", cluster.AccessContainer, "--", "/llmsweep", "results", "tar", "-dir", d.folder}
	if d.noConfig {
		args = append(args, "-no-config")
	}
	err := d.tool.Do(ctx, kubectl.Command{Namespace: d.namespace, Args: args, Stdout: w})
	return d.explainStream(err)
}

// watched tells of each write that came through.
type watched struct {
	io.Writer
	alive func()
}

// Write passes p on.
func (w *watched) Write(p []byte) (int, error) {
	w.alive()
	defer w.alive() // the time that our own disk takes is not the stream's
	return w.Writer.Write(p)
}

// localError names a full disk of this machine, lest it be taken for the volume.
func (d *download) localError(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("output-dir %q: the disk of this machine is full: %w", d.outputDir, err)
	}
	return err
}

// progress returns a function that prints a line at most each second, from start on.
func (d *download) progress(start time.Time) func(files int, bytes int64, name string) {
	last := start
	return func(files int, bytes int64, name string) {
		if time.Since(last) >= time.Second {
			last = time.Now()
			d.say("  %d files, %s: %q", files, megabytes(bytes), name)
		}
	}
}

// say prints a line. It is safe for concurrent use.
func (d *download) say(format string, args ...any) {
	d.saying.Lock()
	defer d.saying.Unlock()
	fmt.Fprintf(d.stdout, format+"\n", args...)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
