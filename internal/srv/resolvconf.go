package srv

import (
	"cmp"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// As in the C library, except for the timeout of a server: there it is 5 s by default, and we have another server to ask.
const (
	maxServers  = 3
	maxSearch   = 6
	maxTimeout  = 30 // s
	maxAttempts = 5

	defaults = "options timeout:2 attempts:2\n"
)

// A config is the part of resolv.conf(5) that matters here.
type config struct {
	servers []server
	list    *dns.ClientConfig // Search has domains without dots around them
	rotate  bool              // start with another server each time
	noAAAA  bool              // do not ask for IPv6 addresses
}

// configPath returns the path, or "" if the system has no such file: on Windows it could be any user's file.
func configPath() string {
	if runtime.GOOS == "windows" {
		return ""
	}
	return "/etc/resolv.conf"
}

// readConfig reads a file. The error is fs.ErrNotExist if there is none.
func readConfig(path string) (config, error) {
	if path == "" {
		return config{}, fs.ErrNotExist
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return config{}, err
	}
	return parseConfig(string(text))
}

func parseConfig(text string) (config, error) {
	list, err := dns.ClientConfigFromReader(strings.NewReader(defaults + text))
	if err != nil {
		return config{}, err
	}
	c := config{list: list}
	byTCP := false
	for line := range strings.Lines(text) { // the options that dns does not know
		fields := strings.Fields(line)
		for _, option := range fields[min(1, len(fields)):] {
			set := fields[0] == "options"
			c.rotate = c.rotate || set && option == "rotate"
			c.noAAAA = c.noAAAA || set && option == "no-aaaa"
			byTCP = byTCP || set && (option == "use-vc" || option == "usevc" || option == "tcp") // tcp is the BSDs' spelling
		}
	}
	for _, address := range list.Servers {
		if _, err := netip.ParseAddr(address); err == nil && len(c.servers) < maxServers {
			c.servers = append(c.servers, server{net.JoinHostPort(address, list.Port), byTCP})
		}
	}
	if len(c.servers) == 0 {
		c.servers = []server{{"127.0.0.1:53", byTCP}, {"[::1]:53", byTCP}}
	}
	search := list.Search
	list.Search = nil
	for _, domain := range search {
		domain = strings.Trim(domain, ".")
		if badName(domain) == "" && len(list.Search) < maxSearch {
			list.Search = append(list.Search, domain)
		}
	}
	list.Timeout, list.Attempts = min(list.Timeout, maxTimeout), min(list.Attempts, maxAttempts)
	return c, nil
}

// timeout returns how long a server has for a question: wanted, if that is not 0.
func (c config) timeout(wanted time.Duration) time.Duration {
	return cmp.Or(wanted, time.Duration(c.list.Timeout)*time.Second)
}

// names returns what to ask for in turn: a name that is not complete is searched. As everywhere, a domain with ndots dots or more is tried
// unchanged first, and others last. The labels of the service do not count: a user does not take them for a part of the domain.
//
// The first names are those that count: the unchanged name, or else those that the search list makes. The others are only tried in case,
// and if the names that count do not exist, a failure of the others means nothing.
func (c config) names(name string) (names []string, first int) {
	service, domain := cutService(name)
	for _, full := range c.list.NameList(domain) {
		if full = service + full; badName(strings.TrimSuffix(full, ".")) == "" { // it may have become too long
			names = append(names, full)
		}
	}
	if len(names) == 1 || names[0] == dns.Fqdn(name) {
		return names, 1
	}
	return names, len(names) - 1
}

// cutService cuts a name behind its leading labels that begin with an underscore.
func cutService(name string) (service, domain string) {
	domain = name
	for strings.HasPrefix(domain, "_") {
		_, rest, ok := strings.Cut(domain, ".")
		if !ok {
			break
		}
		domain = rest
	}
	return name[:len(name)-len(domain)], domain
}
