// Package memnet is a network in memory, made for whole-system tests in virtual
// time: an HTTP server and its clients inside one testing/synctest bubble.
//
// [Listen] gives a [net.Listener] whose DialContext fits into an
// [net/http.Transport]. Its connections behave as TCP on the loopback interface
// does, as far as HTTP can tell: both directions are buffered, so that a write
// returns before the peer reads; a full buffer blocks the writer; deadlines end
// blocked and later calls; a closed connection is drained, then ends.
//
// A goroutine that waits here waits on a condition variable or a channel, which
// a bubble takes for durably blocked, and holds no lock meanwhile. That is why
// [net.Pipe] will not do: its writer waits with a mutex locked, a second writer
// then blocks on that mutex, and virtual time stands still. For the same reason
// a listener and all that use it must be made in the same bubble.
//
// Bytes need no time to arrive. There is no loss, no half-close and no address
// book: whatever address is dialed on a listener reaches that listener.
package memnet
