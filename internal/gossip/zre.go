package gossip

import (
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

const z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// FormatKey returns the key of a node's tuple: its UUID in 32 upper-case hexadecimal digits.
func FormatKey(id uuid.UUID) string { return strings.ToUpper(hex.EncodeToString(id[:])) }

// FormatValue returns the value of a node's tuple: its endpoint, and its CURVE key (Z85, 40 characters) unless that is "".
func FormatValue(endpoint, curveKey string) string {
	if curveKey == "" {
		return endpoint
	}
	return endpoint + "|" + curveKey
}

// ParseTuple reads a node's tuple: its UUID, its endpoint (tcp://host:port, in which an IPv6 address need not have brackets, as C zyre
// writes it), and its CURVE key in Z85, "" if it has none. Digits may be of either case. The error says what is wrong with the tuple;
// gossip carries any tuples, so strange ones are no reason to stop.
func ParseTuple(key, value string) (id uuid.UUID, endpoint, curveKey string, err error) {
	if len(key) != 32 {
		return uuid.Nil, "", "", fmt.Errorf("gossip: key %q is no UUID of 32 hexadecimal digits", key)
	}
	if _, err := hex.Decode(id[:], []byte(key)); err != nil {
		return uuid.Nil, "", "", fmt.Errorf("gossip: key %q is no UUID of 32 hexadecimal digits", key)
	}
	if id == uuid.Nil {
		return uuid.Nil, "", "", fmt.Errorf("gossip: key %q is the nil UUID", key)
	}
	endpoint, curveKey, hasKey := strings.Cut(value, "|")
	if hasKey && (len(curveKey) != 40 || strings.Trim(curveKey, z85) != "") {
		return uuid.Nil, "", "", fmt.Errorf("gossip: value %q has no CURVE key of 40 Z85 characters after its bar", value)
	}
	if err := checkEndpoint(endpoint); err != nil {
		return uuid.Nil, "", "", err
	}
	return id, endpoint, curveKey, nil
}

// checkEndpoint accepts only an endpoint that can be dialled. RFC 36 allows only tcp; we must not open a path that a stranger chose.
func checkEndpoint(endpoint string) error {
	address, isTCP := strings.CutPrefix(endpoint, "tcp://")
	colon := strings.LastIndexByte(address, ':')
	if !isTCP || colon < 1 {
		return fmt.Errorf("gossip: endpoint %q is not tcp://host:port", endpoint)
	}
	host, port := address[:colon], address[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("gossip: endpoint %q has no port from 1 to 65535", endpoint)
	}
	if bare, found := strings.CutPrefix(host, "["); found {
		if bare, found = strings.CutSuffix(bare, "]"); !found {
			return fmt.Errorf("gossip: endpoint %q has an unclosed bracket", endpoint)
		}
		host = bare
	}
	ip := net.ParseIP(host)
	if host == "" || ip != nil && ip.IsUnspecified() || strings.ContainsFunc(host, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`*/[]@?#|\`, r)
	}) {
		return fmt.Errorf("gossip: endpoint %q has no host that can be reached", endpoint)
	}
	return nil
}
