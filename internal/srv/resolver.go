package srv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

const (
	defaultTTL     = 30 * time.Second
	defaultTimeout = 2 * time.Second
	defaultTries   = 2
	maxTimeouts    = 10 // the most timeouts that a lookup may take, whatever it asks
	maxLookupTime  = time.Minute
	lastPause      = 30 * time.Second // names that are tried last are left out for this long when they are not answered
)

// A Resolver looks up SRV records. The zero Resolver is ready. Its methods may be called from any goroutine; its fields must not change
// meanwhile.
type Resolver struct {
	// Server is the DNS server to ask, in the form that [Server] accepts. By default the servers of /etc/resolv.conf are asked in turn; the
	// file is read again for each lookup. Of its options ndots, timeout, attempts, rotate, use-vc and no-aaaa are used. EDNS is used
	// without edns0 too, if the server knows it. Nothing in the file counts if Server is set.
	Server string

	// Timeout is how long one server has for one question; by default the value in /etc/resolv.conf, or 2 s. Each server is asked twice, or
	// as often as that file says. A lookup takes at most ten times that, and not more than a minute, whatever it asks: then it returns what
	// it has.
	Timeout time.Duration

	// Keys asks for each target's TXT records too: "zre-key=KEY". A target without exactly one key gives no endpoint, and an error that
	// wraps ErrNoKey.
	Keys bool

	// Dial connects to a server by "udp" or "tcp", as net.Dialer.DialContext does, which is the default.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	path string // instead of /etc/resolv.conf, for tests
	turn atomic.Uint32

	mu     sync.Mutex
	failed time.Time // when a name of those that are tried last was not answered
}

// An asker asks questions.
type asker interface {
	records(ctx context.Context, name string) (*reply, error)                // the SRV records of a name
	host(ctx context.Context, name string) (addresses, error)                // the addresses of a target
	texts(ctx context.Context, name string) ([]string, time.Duration, error) // its TXT records
}

// A plan is how a name is looked up.
type plan struct {
	asker
	names []string // to ask for, in turn
	first int      // how many of them count; the others are tried in case
	time  time.Duration
	keys  bool // Resolver.Keys
}

// Lookup finds the endpoints of the SRV records of a name from [Name]. It asks for the addresses of targets that the server has not sent
// along, of both families. It blocks for 10 times the Timeout at most, and ends when ctx does.
//
// An answer has at least one endpoint. The error names the name and the server, and wraps ErrNoName, ErrNoRecords, ErrTimeout, an RCode, or
// the network's error; if ctx has ended, its cause.
func (r *Resolver) Lookup(ctx context.Context, name string) (Answer, error) {
	parent := ctx
	p, err := r.plan(name)
	if err != nil {
		return Answer{}, fmt.Errorf("srv: cannot look up %s: %w", name, err)
	}
	p.keys = r.Keys
	ctx, cancel := context.WithTimeout(ctx, p.time)
	defer cancel()
	var problem error
	for i, name := range p.names {
		isLast := i >= p.first && isEmpty(problem)
		if isLast && r.skipsLast() {
			break
		}
		answer, err := lookup(ctx, p, name)
		if err == nil {
			return answer, nil
		}
		if isLast && !isEmpty(err) && parent.Err() == nil {
			r.skipLast()
			break
		}
		// Of the names that a search makes, one that exists but does not work says more than those that don't exist.
		if problem == nil || errors.Is(problem, ErrNoName) {
			problem = fmt.Errorf("srv: cannot look up %s: %w", name, err)
		}
		if parent.Err() != nil {
			return Answer{}, fmt.Errorf("srv: cannot look up %s: %w", name, context.Cause(parent))
		}
		if !isAnswer(err) {
			break // servers that are silent now will be silent for the next name
		}
	}
	return Answer{}, problem
}

// skipLast skips the names that are tried last for a while: on a network without access to the Internet no server answers for "robots.",
// and each lookup would wait for that.
func (r *Resolver) skipLast() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = time.Now()
}

func (r *Resolver) skipsLast() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.failed.IsZero() && time.Since(r.failed) < lastPause
}

// isAnswer tells whether an error is a server's answer about this name, which may not apply to another name.
func isAnswer(err error) bool {
	var code RCode
	return isEmpty(err) || errors.As(err, &code) || errors.Is(err, errLame)
}

// isEmpty tells whether an error of Lookup is an answer: the name has no endpoints.
func isEmpty(err error) bool { return errors.Is(err, ErrNoName) || errors.Is(err, ErrNoRecords) }

// plan returns which servers to ask for which names.
func (r *Resolver) plan(name string) (plan, error) {
	c := &client{timeout: cmp.Or(r.Timeout, defaultTimeout), dial: r.Dial, tries: defaultTries}
	if c.dial == nil {
		c.dial = new(net.Dialer).DialContext
	}
	if r.Server != "" {
		s, err := parseServer(r.Server)
		c.servers = []server{s}
		return c.plan([]string{dns.Fqdn(name)}, 1), err
	}
	config, err := readConfig(cmp.Or(r.path, configPath()))
	if errors.Is(err, fs.ErrNotExist) {
		return plan{asker: system{net.DefaultResolver}, names: []string{name}, first: 1, time: min(maxTimeouts*c.timeout, maxLookupTime)}, nil
	}
	if err != nil {
		return plan{}, err
	}
	c.timeout, c.tries, c.noAAAA, c.servers = config.timeout(r.Timeout), config.list.Attempts, config.noAAAA, config.servers
	if config.rotate {
		first := int(r.turn.Add(1)-1) % len(c.servers)
		c.servers = slices.Concat(c.servers[first:], c.servers[:first])
	}
	return c.plan(config.names(name)), nil
}

func (c *client) plan(names []string, first int) plan {
	return plan{asker: c, names: names, first: first, time: min(maxTimeouts*c.timeout, maxLookupTime)}
}

// lookup asks for the records of a name and for the addresses of their targets.
func lookup(ctx context.Context, a plan, name string) (Answer, error) {
	r, err := a.records(ctx, name)
	if err != nil {
		return Answer{}, err
	}
	records, problems := usableRecords(r)
	if len(records) == 0 && len(problems) == 0 {
		return Answer{}, ErrNoRecords
	}
	hosts, unknown := findHosts(ctx, a, records, r.extra)
	var keys map[string]keyResult
	if a.keys {
		keys = findKeys(ctx, a, records)
	}
	answer := Answer{TTL: r.ttl}
	for _, rec := range records {
		host := hosts[rec.target]
		if len(host.list) == 0 {
			problem := unknown[rec.target]
			if problem == nil {
				problem = errNoAddress
			}
			problems = append(problems, fmt.Errorf("target %s: %w", rec.target, problem))
			continue
		}
		key := keys[rec.target]
		if key.err != nil {
			problems = append(problems, fmt.Errorf("target %s: %w", rec.target, key.err))
			continue
		}
		answer.TTL = min(answer.TTL, host.ttl)
		if a.keys {
			answer.TTL = min(answer.TTL, key.ttl)
		}
		for _, addr := range host.list {
			answer.Endpoints = append(answer.Endpoints, rec.endpoint(addr, key.key))
		}
	}
	answer.Endpoints = sortUnique(answer.Endpoints)
	if len(problems) > 0 {
		answer.Partial = fmt.Errorf("%d problems, the first: %w", len(problems), problems[0])
	}
	if len(answer.Endpoints) == 0 {
		return Answer{}, answer.Partial
	}
	return answer, nil
}

// usableRecords returns the usable records, the first by priority if there are too many.
func usableRecords(r *reply) (good []record, problems []error) {
	slices.SortFunc(r.records, record.compare)
	for _, rec := range slices.Compact(r.records) {
		switch {
		case rec.target == "": // "decidedly not available" (RFC 2782)
		case badName(rec.target) != "" || rec.port == 0:
			problems = append(problems, fmt.Errorf("%w: %q, %d", errBadTarget, rec.target, rec.port))
		case len(good) == maxTargets:
			problems = append(problems, fmt.Errorf("%w, the limit is %d", errTooMany, maxTargets))
		default:
			good = append(good, rec)
		}
	}
	if r.truncated {
		problems = append(problems, cmp.Or(r.tcpErr, errTooLarge))
	}
	return good, problems
}

// findHosts returns the addresses of targets: those that came along, and others by asking for them, and the errors of those that failed.
func findHosts(ctx context.Context, a asker, records []record, additional map[string]addresses) (map[string]addresses, map[string]error) {
	found, failed := make(map[string]addresses), make(map[string]error)
	var ask []string
	for _, rec := range records {
		if host, ok := additional[rec.target]; ok && len(host.list) > 0 {
			found[rec.target] = host
		} else if !slices.Contains(ask, rec.target) {
			ask = append(ask, rec.target)
		}
	}
	for _, target := range ask[min(len(ask), maxAsked):] {
		failed[target] = fmt.Errorf("%w without addresses, the limit is %d", errTooMany, maxAsked)
	}
	ask = ask[:min(len(ask), maxAsked)]

	var mu sync.Mutex // guards found and failed
	var wait sync.WaitGroup
	slots := make(chan struct{}, maxConcurrent)
	for _, target := range ask {
		slots <- struct{}{} // the lookup's end frees it
		wait.Go(func() {
			host, err := a.host(ctx, target)
			<-slots
			mu.Lock()
			defer mu.Unlock()
			found[target] = host
			if err != nil && !errors.Is(err, ErrNoName) { // a missing target is no missing service
				failed[target] = err
			}
		})
	}
	wait.Wait()
	return found, failed
}
