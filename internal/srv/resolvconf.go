package srv

import (
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
)

// As the C library does it.
const (
	maxServers = 3
	maxSearch  = 6
)

// A config is what matters of resolv.conf(5).
type config struct {
	servers []server
	search  []string // domains without dots around them
}

// configPath gives the path, or "" where there is no such thing: on Windows it could be anybody's file.
func configPath() string {
	if runtime.GOOS == "windows" {
		return ""
	}
	return "/etc/resolv.conf"
}

// readConfig reads a file. The error is fs.ErrNotExist where there is none.
func readConfig(path string) (config, error) {
	if path == "" {
		return config{}, fs.ErrNotExist
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return config{}, err
	}
	return parseConfig(string(text)), nil
}

func parseConfig(text string) config {
	var c config
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if _, err := netip.ParseAddr(fields[1]); err == nil && len(c.servers) < maxServers {
				c.servers = append(c.servers, server{address: net.JoinHostPort(fields[1], "53")})
			}
		case "domain", "search":
			c.search = nil
			for _, domain := range fields[1:] {
				domain = strings.Trim(domain, ".")
				if badName(domain) == "" && len(c.search) < maxSearch {
					c.search = append(c.search, domain)
				}
			}
		}
	}
	if len(c.servers) == 0 {
		c.servers = []server{{address: "127.0.0.1:53"}, {address: "[::1]:53"}}
	}
	return c
}
