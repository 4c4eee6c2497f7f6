package msg

import "testing"

var benchFrames = map[ID][][]byte{
	Ping:    {[]byte("\xaa\xa1\x06\x02\x00\x02")},
	Whisper: {[]byte("\xaa\xa1\x02\x02\x00\x02"), make([]byte, 100)},
	Shout:   {[]byte("\xaa\xa1\x03\x02\x00\x02\x04CHAT"), make([]byte, 100)},
}

func benchHello() *OutHello {
	return &OutHello{Endpoint: "tcp://192.168.1.7:49152", Groups: []string{"CHAT", "GLOBAL"}, Status: 2,
		Name: "alice", Headers: []OutHeader{{"role", "camera"}, {"X-FILE", "file:///tmp"}}}
}

// TestNoAllocations also holds under the race detector, which does not allocate here.
func TestNoAllocations(t *testing.T) {
	want := func(name string, run func() error) {
		t.Helper()
		var err error
		if n := testing.AllocsPerRun(1000, func() { err = run() }); n != 0 || err != nil {
			t.Errorf("%s: %v allocations, error %v", name, n, err)
		}
	}
	var m Message
	for id, frames := range benchFrames {
		want("decode "+id.String(), func() error { return m.Decode(frames, Limits{}) })
	}
	dst := make([]byte, 0, 64)
	var err error
	want("AppendWhisper", func() error { dst = AppendWhisper(dst[:0], 2); return nil })
	want("AppendShout", func() error { dst, err = AppendShout(dst[:0], 2, "CHAT"); return err })
	want("AppendJoin", func() error { dst, err = AppendJoin(dst[:0], 2, "CHAT", 1); return err })
	want("AppendElect", func() error { dst, err = AppendElect(dst[:0], 2, "CHAT", [16]byte{}); return err })
	want("AppendPingOK", func() error { dst = AppendPingOK(dst[:0], 2); return nil })
}

// TestDiscardNoAllocations: a peer that floods us with messages to discard must not
// make work for the garbage collector.
func TestDiscardNoAllocations(t *testing.T) {
	var m Message
	for _, header := range []string{"", "\xaa\xa3\x06\x02\x00\x02", "\xaa\xa1\x06\x03\x00\x02", "\xaa\xa1\x4d\x02\x00\x02"} {
		frames := [][]byte{[]byte(header)}
		var err error
		if n := testing.AllocsPerRun(1000, func() { err = m.Decode(frames, Limits{}) }); n != 0 || err == nil {
			t.Errorf("%x: %v allocations, error %v", header, n, err)
		}
	}
}

func benchmarkDecode(b *testing.B, frames [][]byte) {
	b.ReportAllocs()
	var m Message
	for b.Loop() {
		if err := m.Decode(frames, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodePing(b *testing.B)    { benchmarkDecode(b, benchFrames[Ping]) }
func BenchmarkDecodeWhisper(b *testing.B) { benchmarkDecode(b, benchFrames[Whisper]) }
func BenchmarkDecodeShout(b *testing.B)   { benchmarkDecode(b, benchFrames[Shout]) }

func BenchmarkDecodeHello(b *testing.B) {
	frame, err := AppendHello(nil, 1, benchHello(), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	benchmarkDecode(b, [][]byte{frame})
}

func BenchmarkAppendWhisper(b *testing.B) {
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = AppendWhisper(dst[:0], 2)
	}
}

func BenchmarkAppendShout(b *testing.B) {
	b.ReportAllocs()
	var dst []byte
	var err error
	for b.Loop() {
		if dst, err = AppendShout(dst[:0], 2, "CHAT"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHello(b *testing.B) {
	b.ReportAllocs()
	hello := benchHello()
	var dst []byte
	var err error
	for b.Loop() {
		if dst, err = AppendHello(dst[:0], 1, hello, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
