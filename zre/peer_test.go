package zre

import (
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/go-zre/go-zre/node"
)

// A Peer has every field of the engine's peer.
func TestPeerHasEveryField(t *testing.T) {
	p := &node.Peer{
		UUID: uuid.New(), Name: "n", Endpoint: "tcp://10.0.0.1:7", Headers: map[string]string{"a": "b"}, Groups: []string{"G"},
		Transport: "tcp", State: 3, PublicKey: node.PublicKey{1}, QueuedMessages: 1, QueuedBytes: 2,
	}
	from, to := reflect.ValueOf(*p), reflect.ValueOf(*publicPeer(p))
	for i := range from.NumField() {
		field := from.Type().Field(i)
		switch got := to.FieldByName(field.Name); {
		case field.Name == "Public":
		case from.Field(i).IsZero():
			t.Errorf("fill in %s in this test", field.Name)
		case !got.IsValid():
			t.Errorf("Peer has no %s", field.Name)
		case !reflect.DeepEqual(got.Convert(field.Type).Interface(), from.Field(i).Interface()):
			t.Errorf("%s is %v, want %v", field.Name, got, from.Field(i))
		}
	}
}
