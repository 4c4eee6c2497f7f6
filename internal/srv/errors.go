package srv

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/miekg/dns"
)

// Why there is no answer. Errors of Lookup wrap one of these, an RCode, or an error of the network or the context.
var (
	// ErrNoName means that the server says that the name does not exist (NXDOMAIN).
	ErrNoName = errors.New("no such name")

	// ErrNoRecords means that the name exists but has no SRV records, or only the one that says that there is no service.
	ErrNoRecords = errors.New("the name has no SRV records")

	// ErrTimeout means that no server answered in time.
	ErrTimeout = errors.New("no answer in time")
)

// An RCode is the reason why a server gives no answer, as its number in the answer (RFC 1035, section 4.1.1). NXDOMAIN is ErrNoName
// instead.
type RCode uint16

// Error returns the code's usual name, such as SERVFAIL.
func (c RCode) Error() string {
	if name, ok := dns.RcodeToString[int(c)]; ok {
		return name
	}
	return "rcode " + strconv.Itoa(int(c))
}

var (
	errTruncated = errors.New("the answer is too large for UDP")
	errLame      = errors.New("the server does not know this name and does not ask other servers")
	errNoAddress = errors.New("no usable address")
	errBadTarget = errors.New("not a host name and a port")
	errTooMany   = errors.New("too many targets")
	errTooLarge  = errors.New("the answer is too large for DNS")
)

// unifyTimeout turns all errors that mean a timeout into ErrTimeout.
func unifyTimeout(err error) error {
	var t interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout() {
		return ErrTimeout
	}
	return err
}

// innermostText returns the text of the innermost error, without what changes from try to try, such as our port.
func innermostText(err error) string {
	if err == nil {
		return ""
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}
