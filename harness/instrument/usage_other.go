//go:build !unix

package instrument

import "time"

func processorTime() time.Duration { return -1 }
