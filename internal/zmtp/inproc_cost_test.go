package zmtp

import "testing"

// taker counts messages, and keeps none.
type taker struct{ got chan struct{} }

func (k *taker) Receive([][]byte) error { k.got <- struct{}{}; return nil }
func (*taker) Closed(error)             {}

// A receiver within the process that lags by a batch costs no more memory for a message than the message needs.
func TestCostOfLaggingLink(t *testing.T) {
	const batches, each, size = 200, 30, 619
	k := &taker{got: make(chan struct{}, each)}
	r := NewRouter(Config{}, func(*Conn) (Receiver, error) { return k, nil })
	defer r.Close()
	q := NewInprocQueue(1000, 1<<20)
	c, err := r.Link(Config{}, q, nil, newRecorder(1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(nil)
	body, head := make([]byte, size-19), []byte("nineteen octets of ")
	round := func() {
		for range each {
			if err := q.Push(nil, head, body); err != nil {
				t.Fatal(err)
			}
		}
		for range each {
			<-k.got
		}
	}
	round()
	spent := allocated(func() {
		for range batches {
			round()
		}
	})
	if per := spent / (batches * each); per > 2*size {
		t.Errorf("a message of %d octets costs %d, want at most twice as many", size, per)
	} else {
		t.Logf("a message of %d octets costs %d", size, per)
	}
}
