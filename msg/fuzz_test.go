package msg

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// rawEncode writes the header frame of any message that can be decoded, also with text
// that we would not send. It shares nothing with the package's encoder.
func rawEncode(m *Message) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0xaa, 0xa1, byte(m.ID), 2}, m.Sequence)
	short := func(s []byte) { b = append(append(b, byte(len(s))), s...) }
	long := func(s []byte) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) }
	switch m.ID {
	case Hello:
		short(m.Hello.Endpoint)
		b = binary.BigEndian.AppendUint32(b, uint32(len(m.Hello.Groups)))
		for _, group := range m.Hello.Groups {
			long(group)
		}
		b = append(b, m.Status)
		short(m.Hello.Name)
		b = binary.BigEndian.AppendUint32(b, uint32(len(m.Hello.Headers)))
		for _, header := range m.Hello.Headers {
			short(header.Name)
			long(header.Value)
		}
	case Shout:
		short(m.Group)
	case Join, Leave:
		short(m.Group)
		b = append(b, m.Status)
	case Elect, Leader:
		short(m.Group)
		short(m.Node)
	case State:
		b = append(b, m.State)
	case Headers:
		b = binary.BigEndian.AppendUint32(b, uint32(len(m.Headers)))
		for _, header := range m.Headers {
			short(header.Name)
			long(header.Value)
		}
	case AskStats:
		b = append(b, m.Version)
	case Stats:
		b = append(b, m.Figures...)
	}
	return b
}

// FuzzDecode decodes anything. What is refused leaves nothing behind; what is accepted
// takes no more memory than the input allows, and is the same after encoding and
// decoding it again.
func FuzzDecode(f *testing.F) {
	for _, v := range zreVectors(f) {
		f.Add(v.frames[0], uint8(len(v.frames)-1))
	}
	f.Add([]byte{}, uint8(0))
	f.Add([]byte("\xaa\xa1\x80\x02\x00\x02\x05"), uint8(0))
	f.Add([]byte("\xaa\xa1\x81\x02\x00\x02\x00\x00\x00\x01\x01k\x00\x00\x00\x01v"), uint8(0))
	f.Add([]byte("\xaa\xa1\x81\x02\x00\x02\xff\xff\xff\xff\x01k\x00\x00\x00\x01v"), uint8(0))
	f.Add([]byte("\xaa\xa1\x82\x02\x00\x02\x01"), uint8(0))
	f.Add([]byte("\xaa\xa1\x83\x02\x00\x02\x01\x00"), uint8(0))
	f.Add([]byte("\xaa\xa1\x4d\x02\x00\x02"), uint8(1))
	f.Add([]byte("\xaa\xa1\x01\x02\x00\x01\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00"), uint8(0))
	f.Fuzz(func(t *testing.T, header []byte, surplus uint8) {
		frames := append([][]byte{header}, make([][]byte, surplus%8)...)
		m := usedMessage()
		if err := m.Decode(frames, Limits{}); err != nil {
			wantRefusal(t, &m, err, header)
			return
		}
		if cap(m.Hello.Groups) > len(header)/minGroup || cap(m.Hello.Headers) > len(header)/minHeader {
			t.Fatalf("%d groups and %d headers from %d bytes", cap(m.Hello.Groups), cap(m.Hello.Headers), len(header))
		}
		if len(m.Content) != len(frames)-1 {
			t.Fatalf("%d content frames of %d", len(m.Content), len(frames)-1)
		}
		again := rawEncode(&m)
		if !bytes.Equal(again, header) {
			t.Fatalf("encoded again:\n got %x\nwant %x", again, header)
		}
		var m2 Message
		if err := m2.Decode(append([][]byte{again}, frames[1:]...), Limits{}); err != nil || !reflect.DeepEqual(m, m2) {
			t.Fatalf("decoded again: %v\n got %+v\nwant %+v", err, m2, m)
		}
		wantSendable(t, &m, header)
	})
}

func wantRefusal(t *testing.T, m *Message, err error, header []byte) {
	t.Helper()
	want := Message{}
	switch {
	case errors.Is(err, ErrSignature), errors.Is(err, ErrVersion):
	case errors.Is(err, ErrUnknownID), errors.Is(err, ErrMalformed), errors.Is(err, ErrLimit):
		want.ID = ID(header[2])
		if len(header) >= prefixSize {
			want.Sequence = binary.BigEndian.Uint16(header[4:])
		}
	default:
		t.Fatalf("undocumented error %v", err)
	}
	if !reflect.DeepEqual(*m, want) {
		t.Fatalf("message after %v is %+v, want %+v", err, *m, want)
	}
}

// wantSendable expects the package's encoder to return header again, or to refuse for a
// reason that is true.
func wantSendable(t *testing.T, m *Message, header []byte) {
	t.Helper()
	if m.ID == Elect || m.ID == Leader {
		if digits, err := hex.DecodeString(string(m.Node)); err != nil || len(digits) != 16 || bytes.ContainsAny(m.Node, "abcdef") {
			return // we could not have sent it
		}
	}
	if m.ID == AskStats && m.Version != FiguresVersion {
		return
	}
	if m.ID == Stats {
		if _, err := ParseFigures(m.Figures); err != nil {
			return
		}
	}
	again, err := encode(t, m)
	if err == nil {
		if !bytes.Equal(again, header) {
			t.Fatalf("sent again:\n got %x\nwant %x", again, header)
		}
		return
	}
	var bad *StringError
	if !errors.As(err, &bad) || len(again) > 0 {
		t.Fatalf("sent again: %x, %v", again, err)
	}
	wantTrue(t, bad)
	if bad.Reason != ErrEmpty && !bytes.Contains(header, []byte(bad.Value)) {
		t.Fatalf("%v: not in the message", bad)
	}
}

func wantTrue(t *testing.T, bad *StringError) {
	t.Helper()
	switch bad.Reason {
	case ErrTooLong:
		if len(bad.Value) > bad.Limit && bad.Limit >= MaxString {
			return
		}
	case ErrNotUTF8:
		if !utf8.ValidString(bad.Value) {
			return
		}
	case ErrNUL:
		if strings.ContainsRune(bad.Value, 0) {
			return
		}
	case ErrEmpty:
		if bad.Value == "" && bad.Field == "endpoint" {
			return
		}
	case ErrTwice:
		if bad.Field == "header name" {
			return
		}
	}
	t.Fatalf("refused without cause: %#v", bad)
}

// FuzzAppend sends anything: it is refused for a true reason, or arrives as it was.
func FuzzAppend(f *testing.F) {
	var m Message
	for _, v := range zreVectors(f) {
		if err := m.Decode(v.frames, Limits{}); err != nil {
			f.Fatal(err)
		}
		var name, value string
		for _, header := range m.Hello.Headers {
			name, value = string(header.Name), string(header.Value)
		}
		f.Add(m.Sequence, string(m.Group), m.Status, string(m.Hello.Endpoint), string(m.Hello.Name), name, value)
	}
	f.Add(uint16(0), "a\x00b", uint8(255), strings.Repeat("e", 256), "\xff", "", "")
	f.Fuzz(func(t *testing.T, sequence uint16, group string, status uint8, endpoint, name, headerName, headerValue string) {
		hello := &OutHello{Endpoint: endpoint, Groups: []string{group, "G"}, Status: status, Name: name,
			Headers: []OutHeader{{"K", headerValue}, {headerName, headerValue}}}
		arrives := func(header []byte, err error) *Message {
			t.Helper()
			if err != nil {
				var bad *StringError
				if !errors.As(err, &bad) {
					t.Fatal(err)
				}
				wantTrue(t, bad)
				return nil
			}
			var m Message
			if err := m.Decode([][]byte{header}, Limits{}); err != nil || m.Sequence != sequence {
				t.Fatalf("%x: sequence %d, error %v", header, m.Sequence, err)
			}
			return &m
		}
		if header, err := AppendHello(nil, sequence, hello, Limits{}); !errors.Is(err, ErrLimit) {
			if m := arrives(header, err); m != nil && (m.ID != Hello || !reflect.DeepEqual(outHello(m), hello)) {
				t.Fatalf("got %+v, want %+v", outHello(m), hello)
			}
		}
		var uuid [16]byte
		copy(uuid[:], headerValue)
		appended := func(header []byte, err error) {
			t.Helper()
			m := arrives(header, err)
			if m == nil {
				return
			}
			if string(m.Group) != group || (m.ID == Join || m.ID == Leave) && m.Status != status {
				t.Fatalf("%v: group %q, status %d", m.ID, m.Group, m.Status)
			}
			if (m.ID == Elect || m.ID == Leader) && nodeUUID(t, m) != uuid {
				t.Fatalf("%v: node %s, want %x", m.ID, m.Node, uuid)
			}
		}
		appended(AppendShout(nil, sequence, group))
		appended(AppendJoin(nil, sequence, group, status))
		appended(AppendLeave(nil, sequence, group, status))
		appended(AppendElect(nil, sequence, group, uuid))
		appended(AppendLeader(nil, sequence, group, uuid))
	})
}
