package beacon

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// An Op is an operation that an agent asks of the system, and that may fail.
type Op uint8

// The operations. Use errors.Is to compare the system's errors with those of package syscall, such as syscall.ENOBUFS.
const (
	OpChoose  Op = iota + 1 // finding what Config.Interfaces or Config.Addresses names; Interface is that entry
	OpList                  // listing the interfaces: EAFNOSUPPORT if a service may not use netlink. Then none are known
	OpWatch                 // making the system report changes: without it they are noticed 0.8 s later
	OpListen                // opening a UDP port, Dst: EADDRINUSE while another program holds it alone, EACCES
	OpJoin                  // joining a multicast group, Dst, on Interface: ENOBUFS if a socket is in too many groups
	OpSend                  // sending from Src to Dst by Interface: EPERM (a firewall), ENETUNREACH, EACCES
	OpReceive               // receiving from a socket
)

var opNames = [...]string{
	OpChoose: "finding an interface or address", OpList: "listing interfaces", OpWatch: "watching interfaces",
	OpListen: "listening", OpJoin: "joining the multicast group", OpSend: "sending beacons", OpReceive: "receiving beacons",
}

// String describes the operation, as in "listening".
func (c Op) String() string {
	if c == 0 || int(c) >= len(opNames) {
		return fmt.Sprintf("operation(%d)", uint8(c))
	}
	return opNames[c]
}

// A Failure is something that an agent cannot do at present. It keeps trying.
type Failure struct {
	Op        Op
	Interface string         // the name of the interface; empty if the operation concerns none
	Dst       netip.AddrPort // the group, the destination, or the port; not valid if the operation concerns none
	Src       netip.Addr     // the source address when sending; not valid for other operations
	Err       error          // the system's error
	Since     time.Time

	ofAddresses bool // of OpChoose: the entry is one of Config.Addresses, not of Config.Interfaces
}

// Error makes a Failure an error, as in "sending beacons to 10.0.0.255:5670 by eth0: operation not permitted".
func (f *Failure) Error() string {
	text := "beacon: " + f.Op.String()
	switch {
	case f.Op == OpListen: // its error names the port
		return f.Err.Error()
	case f.Op == OpChoose && f.ofAddresses:
		return fmt.Sprintf("beacon: Addresses: %s: no interface here has this broadcast address", f.Interface)
	case f.Op == OpChoose:
		return fmt.Sprintf("beacon: Interfaces: %q: %v", f.Interface, f.Err)
	}
	if f.Dst.IsValid() {
		text += fmt.Sprintf(" to %v", f.Dst)
	}
	if f.Interface != "" {
		text += " by " + f.Interface
	}
	return fmt.Sprintf("%s: %v", text, f.Err)
}

// Unwrap returns the system's error.
func (f *Failure) Unwrap() error { return f.Err }

// ErrMissing is the error of OpChoose.
var ErrMissing = errors.New("no such interface or address here")

// compareFailures gives a fixed order: failures that cause others come first.
func compareFailures(a, b Failure) int {
	return cmp.Or(cmp.Compare(a.Op, b.Op), cmp.Compare(a.Interface, b.Interface), a.Dst.Compare(b.Dst), a.Src.Compare(b.Src))
}

// An action is what a station does, and may fail in; it identifies a failure.
type action struct {
	op Op
	Destination
}

// failureState says since when an action has failed, and why.
type failureState struct {
	err   error
	since time.Time
}

// Failures returns what the agent cannot do now, in a fixed order, the most basic first: failures of the interfaces that it uses, and
// general ones. There is at most one for each operation, interface and destination. The caller owns the result. It does not block.
func (a *Agent) Failures() (list []Failure) {
	s, v := a.station, a.view.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, f := range s.failing {
		if what.IfIndex != 0 && !v.uses(what.IfIndex, what.Dst.Addr().Is6()) {
			continue
		}
		list = append(list, Failure{Op: what.op, Interface: s.nameOf(what.IfIndex), Dst: what.Dst, Src: what.Src, Err: f.err, Since: f.since})
	}
	list = append(list, a.missing...)
	slices.SortFunc(list, compareFailures)
	return list
}

// nameOf returns the name of an interface, or "".
func (s *station) nameOf(index int) string {
	if i, ok := s.world.Load().byIndex(index); ok {
		return i.Name
	}
	return ""
}

// report notes that an action failed, or with a nil error that it succeeded. A change is logged; a new failure starts a scan of the
// interfaces at once.
func (s *station) report(what action, err error) {
	if err == nil && s.isHealthy.Load() {
		return // as nearly always
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, failing := s.failing[what]
	switch {
	case err == nil && failing:
		delete(s.failing, what)
		s.describe(s.log().Info(), what).Msg("beacon: " + what.op.String() + " works again")
	case err != nil && (!failing || before.err.Error() != err.Error()):
		if !failing {
			before.since = time.Now()
		}
		s.failing[what] = failureState{err, before.since}
		s.describe(s.log().Warn(), what).Stringer("call", what.op).Err(err).Msg("beacon: " + what.op.String() + " failed")
		signal(s.trigger)
	default:
		return
	}
	s.notifyFailures()
}

// notifyFailures tells all agents that the failures have changed. The caller holds mu.
func (s *station) notifyFailures() {
	s.isHealthy.Store(len(s.failing) == 0)
	for _, a := range s.agents {
		a.config.Failing()
	}
}

// dropFailures drops failures of actions that are no longer tried, because their interface or address is not in use. The caller holds mu.
func (s *station) dropFailures(tried func(action) bool) {
	before := len(s.failing)
	for what := range s.failing {
		if what.IfIndex != 0 && !tried(what) {
			delete(s.failing, what)
		}
	}
	if len(s.failing) != before {
		s.notifyFailures()
	}
}

// isSameEntry tells whether two failures of OpChoose are of the same entry of the same option.
func (f Failure) isSameEntry(o Failure) bool {
	return f.Interface == o.Interface && f.ofAddresses == o.ofAddresses
}

// noteMissing notes what the configuration names but a machine with these interfaces does not have. It logs new entries. The caller holds
// the station's mu.
func (a *Agent) noteMissing(all []Interface) {
	var list []Failure
	for _, f := range a.config.missing(all) {
		f.Since = time.Now()
		at := slices.IndexFunc(a.missing, f.isSameEntry)
		switch {
		case at >= 0:
			f = a.missing[at]
		case f.ofAddresses:
			a.config.Log.Warn().Str("address", f.Interface).Stringer("call", OpChoose).Msg("beacon: no interface here has this broadcast address, waiting for one")
		default:
			a.config.Log.Warn().Str("interface", f.Interface).Stringer("call", OpChoose).Msg("beacon: no such interface or address here, waiting for it")
		}
		list = append(list, f)
	}
	changed := !slices.EqualFunc(list, a.missing, Failure.isSameEntry)
	a.missing = list
	if changed {
		a.config.Failing()
	}
}
