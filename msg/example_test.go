package msg_test

import (
	"errors"
	"fmt"

	"github.com/go-zre/go-zre/msg"
)

func ExampleMessage_Decode() {
	var m msg.Message // one per connection
	for _, frames := range [][][]byte{
		{[]byte("\xaa\xa1\x04\x02\x00\x02\x04CHAT\x01")},
		{[]byte("\xaa\xa1\x03\x02\x00\x03\x04CHAT"), []byte("hello"), []byte("world")},
		{[]byte("\xaa\xa1\x4d\x02\x00\x04")},
		{[]byte("GET / HTTP/1.1")},
		{[]byte("\xaa\xa1\x04\x02\x00\x05\x04CH")},
	} {
		err := m.Decode(frames, msg.Limits{})
		switch {
		case errors.Is(err, msg.ErrSignature), errors.Is(err, msg.ErrVersion):
			fmt.Println("discarded, its sequence not counted")
			continue
		case errors.Is(err, msg.ErrUnknownID):
			fmt.Printf("%d: %v is ignored, its sequence counted\n", m.Sequence, m.ID)
			continue
		case err != nil:
			fmt.Println("end the connection:", err)
			return
		}
		switch m.ID {
		case msg.Join:
			fmt.Printf("%d: %v %s, status %d\n", m.Sequence, m.ID, m.Group, m.Status)
		case msg.Shout:
			fmt.Printf("%d: %v to %s: %q\n", m.Sequence, m.ID, m.Group, m.Content)
		}
	}
	// Output:
	// 2: JOIN CHAT, status 1
	// 3: SHOUT to CHAT: ["hello" "world"]
	// 4: ID(77) is ignored, its sequence counted
	// discarded, its sequence not counted
	// end the connection: msg: malformed message: JOIN: group needs 4 bytes, 2 are left
}

func ExampleAppendShout() {
	buffer := make([]byte, 0, 512) // reused for every message
	header, err := msg.AppendShout(buffer[:0], 7, "CHAT")
	if err != nil {
		fmt.Println(err)
		return
	}
	frames := [][]byte{header, []byte("hello")} // what goes out
	fmt.Printf("%q\n", frames)

	_, err = msg.AppendShout(buffer[:0], 8, "caf\xe9")
	var bad *msg.StringError
	if errors.As(err, &bad) {
		fmt.Println(bad.Field, "refused:", bad.Reason)
	}
	// Output:
	// ["\xaa\xa1\x03\x02\x00\a\x04CHAT" "hello"]
	// group refused: not UTF-8
}

func ExampleAppendHello() {
	frame, err := msg.AppendHello(nil, 1, &msg.OutHello{
		Endpoint: "tcp://192.168.1.7:49152",
		Groups:   []string{"CHAT"},
		Status:   1, // one join so far
		Name:     "alice",
		Headers:  []msg.OutHeader{{Name: "role", Value: "camera"}},
	}, msg.Limits{})
	fmt.Println(len(frame), "bytes,", err)
	// Output:
	// 68 bytes, <nil>
}
