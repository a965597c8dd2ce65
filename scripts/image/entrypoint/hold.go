package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// holdDefault is how long the access pod of the guide lives.
const holdDefault = 50 * time.Minute

// hold runs "hold", which does nothing until a signal or for a while: a pod with the results' volume stays reachable meanwhile. Both ends
// are a success.
func (im *image) hold(ctx context.Context, args []string) int {
	set := flag.NewFlagSet("hold", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	limit := set.Duration("for", holdDefault, "")
	err := set.Parse(args)
	switch {
	case err != nil:
		return im.usage("hold: " + err.Error() + ": it takes -for with a duration such as 50m")
	case set.NArg() > 0:
		return im.usage(fmt.Sprintf("hold: unexpected argument %q: it takes -for with a duration such as 50m", set.Arg(0)))
	case *limit <= 0:
		return im.usage(fmt.Sprintf(`hold: -for "%v": must be more than 0, such as 50m`, *limit))
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	fmt.Fprintf(im.stdout, "llmsweep: holding for %v, or until SIGTERM\n", *limit)
	<-ctx.Done()
	return exitOK
}
