package mockserver

import "time"

func fineWaiter() (wait func(time.Duration), end func()) {
	a, err := openFine()
	if err != nil {
		panic(err)
	}
	var expirations [8]byte
	wait = func(d time.Duration) {
		a.set(d)
		if _, err := a.file.Read(expirations[:]); err != nil {
			panic(err)
		}
	}
	return wait, func() { _ = a.file.Close() }
}
