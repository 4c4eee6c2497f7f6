package node

import (
	"net/netip"

	"github.com/google/uuid"
)

// addressIndex stands in for paths.Index.
type addressIndex struct {
	at map[netip.AddrPort]map[uuid.UUID]struct{}
	of map[uuid.UUID][]netip.AddrPort
}

func newAddressIndex() *addressIndex {
	return &addressIndex{make(map[netip.AddrPort]map[uuid.UUID]struct{}), make(map[uuid.UUID][]netip.AddrPort)}
}

func (x *addressIndex) Set(id uuid.UUID, addrs []netip.AddrPort) {
	x.Remove(id)
	for _, a := range addrs {
		if x.at[a] == nil {
			x.at[a] = make(map[uuid.UUID]struct{})
		}
		x.at[a][id] = struct{}{}
	}
	x.of[id] = addrs
}

func (x *addressIndex) Remove(id uuid.UUID) {
	for _, a := range x.of[id] {
		if delete(x.at[a], id); len(x.at[a]) == 0 {
			delete(x.at, a)
		}
	}
	delete(x.of, id)
}

func (x *addressIndex) At(a netip.AddrPort) (list []uuid.UUID) {
	for id := range x.at[a] {
		list = append(list, id)
	}
	return list
}
