package netmap

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// model makes a network of nodes on hosts in subnets. The same arguments give the same network; each step has other figures.
func model(nodes, step int) *Snapshot {
	var seed [32]byte
	random := rand.New(rand.NewChaCha8(seed))
	id := func() string {
		var id uuid.UUID
		for i := range id {
			id[i] = byte(random.Uint32())
		}
		return id.String()
	}
	states := []string{"idle", "idle", "idle", "receiving", "processing", "idle", "", "error", "init"}
	kinds := []string{"camera", "worker", "planner", "gripper", "lidar-front", "logger", "a-rather-long-name-of-a-node"}
	groups := []string{"CHAT", "WORK", "telemetry", "control", "safety"}
	s := &Snapshot{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	hosts := max(1, nodes*2/5)
	for i := range nodes {
		host := i % hosts
		if i >= hosts {
			host = random.IntN(max(1, hosts/2))
		}
		subnet, address := "10.0.0.0/24", fmt.Sprintf("10.0.0.%d", host+1)
		switch {
		case host%5 == 3:
			subnet, address = "192.168.178.0/24", fmt.Sprintf("192.168.178.%d", host+1)
		case host%11 == 7:
			subnet, address = "fd12:3456:789a:1::/64", fmt.Sprintf("fd12:3456:789a:1:a8bb:ccff:fe00:%x", host+256)
		}
		n := Node{
			ID: id(), Name: fmt.Sprintf("%s-%d", kinds[random.IntN(len(kinds))], i), Host: address, Subnet: subnet, Transport: "tcp",
			State: states[(random.IntN(len(states))+step)%len(states)], Self: i == 0, Headers: map[string]string{"role": kinds[i%len(kinds)], "X": "y"},
			Endpoint: "tcp://" + address + ":49152",
		}
		for _, g := range groups {
			if random.IntN(3) == 0 {
				n.Groups = append(n.Groups, g)
			}
		}
		if i%13 == 5 {
			n.Presence = Evasive
		}
		if i%2 == 0 {
			n.Rates = &Rates{Sent: float64(i), Received: float64(2 * i), Peers: nodes - 1}
		}
		s.Nodes = append(s.Nodes, n)
	}
	s.Self, s.Nodes[0].Name = s.Nodes[0].ID, "zre map"
	for range nodes * 3 / 2 {
		a, b := random.IntN(nodes), random.IntN(nodes)
		rate := float64(random.IntN(1+1<<random.IntN(16))) / 3
		if a != b {
			if s.Nodes[b].ID < s.Nodes[a].ID {
				a, b = b, a
			}
			s.Links = append(s.Links, Link{From: s.Nodes[a].ID, To: s.Nodes[b].ID, Forward: rate * float64(1+step%3), Back: rate / 2, RTT: 0.21})
		}
	}
	return s
}
