package cert

import (
	"encoding/json"
	"testing"
)

func TestPublicKey(t *testing.T) {
	const text = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID" // libzmq's manual has it
	key, err := ParsePublicKey(text)
	if err != nil || key.IsZero() || key.String() != text || key[0] != 0xbb {
		t.Errorf("%x %q %v", key, key, err)
	}
	for _, wrong := range []string{"", text[1:], text + "x", "~" + text[1:]} {
		if _, err := ParsePublicKey(wrong); err == nil {
			t.Errorf("%q is taken for a key", wrong)
		}
	}
	for _, k := range []PublicKey{key, {}} {
		octets, err := json.Marshal(k)
		var back PublicKey
		if err == nil {
			err = json.Unmarshal(octets, &back)
		}
		if err != nil || back != k {
			t.Errorf("%s gave %x, %v", octets, back, err)
		}
	}
	if none := (PublicKey{}); none.String() != "" || !none.IsZero() {
		t.Errorf("the zero key is %q", none)
	}
}
