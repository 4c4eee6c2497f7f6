package beacon_test

import (
	"fmt"
	"log"

	"github.com/go-zre/go-zre/beacon"
	"github.com/google/uuid"
)

// A node that listens, announces itself and says goodbye.
func ExampleOpen() {
	sightings := make(chan beacon.Sighting, 1000)
	agent, err := beacon.Open(beacon.Config{
		UUID: uuid.New(),
		Handler: func(s beacon.Sighting) {
			select {
			case sightings <- s:
			default: // too busy: the peer's next beacon comes in a second
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer agent.Close()

	const mailbox = 49152 // where the node's ROUTER listens
	agent.Announce(mailbox, beacon.Idle)
	for s := range sightings {
		if s.Leaving() {
			fmt.Println(s.UUID, "leaves")
			continue
		}
		fmt.Printf("%v at tcp://%v:%d is %v\n", s.UUID, s.Addr, s.Port, s.State)
	}
}

func ExampleBeacon_Append() {
	b := beacon.Beacon{
		UUID:  uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff"),
		Port:  49152,
		State: beacon.Idle,
	}
	fmt.Printf("% x\n", b.Append(nil))
	// Output: 5a 52 45 01 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff c0 00 03
}

func ExampleParse() {
	b, err := beacon.Parse([]byte("ZRE\x01 sixteen bytes..\x00\x00"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.Port, b.State, b.Leaving())
	// Output: 0 unknown true
}
