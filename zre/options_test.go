package zre_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/zre"
)

// The error of NewNode names the option that has a value that cannot be used.
func TestNewNodeNamesOption(t *testing.T) {
	for name, options := range map[string][]zre.Option{
		"WithName":              {zre.WithName("a\x00"), zre.WithName(strings.Repeat("x", 256))},
		"WithHeader":            {zre.WithHeader("", "x"), zre.WithHeader("k", strings.Repeat("v", 200<<10)), zre.WithHeader("k", "\xff")},
		"WithContest":           {zre.WithContest("")},
		"WithPeers":             {zre.WithPeers("x")},
		"WithListen":            {zre.WithListen("x")},
		"WithAdvertise":         {zre.WithAdvertise("x")},
		"WithGossipBind":        {zre.WithGossipBind("x")},
		"WithGossipConnect":     {zre.WithGossipConnect("x")},
		"WithSRV":               {zre.WithSRV("a b")},
		"WithDNSServer":         {zre.WithDNSServer("?")},
		"WithTransports":        {zre.WithTransports("tin"), zre.WithTransports("inproc")},
		"WithInterfaces":        {zre.WithInterfaces("[")},
		"WithBeaconPort":        {zre.WithBeaconPort(-1)},
		"WithBeaconInterval":    {zre.WithBeaconInterval(1), zre.WithBeaconInterval(-1)},
		"WithMulticastTTL":      {zre.WithMulticastTTL(256)},
		"WithMulticastGroup":    {zre.WithMulticastGroup(netip.Addr{})},
		"WithMulticastPort":     {zre.WithMulticastPort(0), zre.WithMulticastPort(5670)},
		"WithEvasiveTimeout":    {zre.WithEvasiveTimeout(-1), zre.WithEvasiveTimeout(time.Hour)},
		"WithSilentTimeout":     {zre.WithSilentTimeout(0), zre.WithSilentTimeout(time.Second)},
		"WithExpiredTimeout":    {zre.WithExpiredTimeout(0), zre.WithExpiredTimeout(time.Second)},
		"WithSendTimeout":       {zre.WithSendTimeout(0)},
		"WithLinger":            {zre.WithLinger(-1)},
		"WithUUID":              {zre.WithUUID(uuid.Nil)},
		"WithLimits":            {zre.WithLimits(zre.Limits{Frames: -1})},
		"WithShoutPolicy":       {zre.WithShoutPolicy(9)},
		"WithCertificate":       {zre.WithCertificate(nil)},
		"WithAuthorizer":        {zre.WithAuthorizer(nil)},
		"WithSharedCertificate": {zre.WithSharedCertificate(nil)},
	} {
		for i, option := range options {
			if _, err := zre.NewNode(option); err == nil || !strings.Contains(err.Error(), name) || !errors.Is(err, zre.ErrInvalidOption) {
				t.Errorf("%s, value %d: the error is %v, want one that names the option", name, i, err)
			}
		}
	}
}
