package eventqueue

import "testing"

// BenchmarkEvents measures the path of a message through the event queue: a reader delivers it, the application takes it with others.
func BenchmarkEvents(b *testing.B) {
	q := New(Limits{1024, 64 << 20})
	s := new(Stream)
	e := Event{Kind: Whisper, Peer: new(Peer), Frames: [][]byte{make([]byte, 16)}}
	stop := make(chan struct{})
	defer close(stop)
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		var batch []Event
		for count := 0; count < b.N; count += len(batch) {
			batch, _ = q.Take(batch, stop)
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if !q.Deliver(s, &e, 40, stop) {
			b.Fatal("not delivered")
		}
	}
	<-taken
}
