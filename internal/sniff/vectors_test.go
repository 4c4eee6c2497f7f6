package sniff

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// Streams of libzmq: each message that was sent is seen, with the sizes of its frames.
func TestStreamsOfLibzmq(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/zmtp_streams.json")
	if err != nil {
		t.Fatal(err)
	}
	var streams []struct {
		Name  string
		Sent  [][]string `json:"sent_by_client"`
		Bytes string     `json:"bytes_client_to_server"`
	}
	if err := json.Unmarshal(text, &streams); err != nil {
		t.Fatal(err)
	}
	for _, stream := range streams {
		data, err := hex.DecodeString(stream.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		var seen [][]uint64
		sealed, greetings := 0, 0
		budget := heldBytes
		h := half{budget: &budget, emit: func(r *Record) {
			switch r.Kind {
			case Greeting:
				greetings++
			case Message:
				sizes := []uint64{}
				for _, frame := range r.Frames {
					sizes = append(sizes, frame.Size)
				}
				seen = append(seen, sizes)
			case Sealed:
				sealed++
			case Command:
			case Other: // a stream without ZRE in it
				if stream.Sent != nil {
					t.Errorf("%s: %v", stream.Name, r)
				}
			default:
				t.Errorf("%s: %v", stream.Name, r)
			}
		}}
		h.feed(data)
		if greetings != 1 {
			t.Errorf("%s: %d greetings", stream.Name, greetings)
		}
		if sealed > 0 {
			frames := 0
			for _, message := range stream.Sent {
				frames += len(message)
			}
			if sealed < frames || len(seen) > 0 { // heartbeats are sealed, too
				t.Errorf("%s: %d frames are sealed, want %d or more", stream.Name, sealed, frames)
			}
			continue
		}
		if len(seen) != len(stream.Sent) {
			t.Errorf("%s: %d messages, want %d", stream.Name, len(seen), len(stream.Sent))
			continue
		}
		for i, message := range stream.Sent {
			if len(seen[i]) != len(message)-1 {
				t.Errorf("%s: message %d has %v", stream.Name, i, seen[i])
				continue
			}
			for k, frame := range message[1:] {
				if seen[i][k] != uint64(len(frame)/2) {
					t.Errorf("%s: message %d has %v", stream.Name, i, seen[i])
				}
			}
		}
	}
}
