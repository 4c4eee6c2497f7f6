package request

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// A vector is a message as it is on the wire: the content frames of a WHISPER, in hex.
type vector struct {
	Note   string   `json:"note"`
	Frames []string `json:"frames"`
	Kind   string   `json:"kind"` // empty for an ordinary whisper
	ID     uint64   `json:"id"`
	Code   Code     `json:"code"`
	Text   string   `json:"text"`
}

var kinds = map[string]Kind{"REQUEST": Request, "REPLY": Reply, "ERROR": Error}

func vectors(t testing.TB) (all []vector) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/requests.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (v *vector) content(t testing.TB) (content [][]byte) {
	t.Helper()
	for _, text := range v.Frames {
		frame, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, frame)
	}
	return content
}

func TestVectors(t *testing.T) {
	count := make(map[Kind]int)
	for _, v := range vectors(t) {
		t.Run(v.Note, func(t *testing.T) {
			content := v.content(t)
			want, isOne := kinds[v.Kind]
			head, ok := Parse(content)
			if ok != isOne || ok && (head.Kind != want || head.ID != v.ID) {
				t.Fatalf("parsed as %+v, %v", head, ok)
			}
			count[head.Kind]++
			if !ok {
				return
			}
			var frame [HeadSize]byte
			if head.Put(&frame); !bytes.Equal(frame[:], content[0]) {
				t.Errorf("the head is written as %x, want %x", frame, content[0])
			}
			if head.Kind != Error {
				return
			}
			if code, text := Failure(content); code != v.Code || text != v.Text {
				t.Errorf("the error is %d, %q", code, text)
			}
			if again := AppendFailure([][]byte{frame[:]}, v.Code, v.Text); !bytes.Equal(bytes.Join(again, nil), bytes.Join(content, nil)) {
				t.Errorf("the error is written as %x", again)
			}
		})
	}
	for _, kind := range []Kind{0, Request, Reply, Error} {
		if count[kind] == 0 {
			t.Errorf("there is no vector of kind %d", kind)
		}
	}
}

func TestTextOfAnError(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"as long as may be", strings.Repeat("x", MaxText), strings.Repeat("x", MaxText)},
		{"longer", strings.Repeat("x", MaxText+1), strings.Repeat("x", MaxText)},
		{"cut within a character", strings.Repeat("x", MaxText-1) + "ü", strings.Repeat("x", MaxText-1)},
		{"not UTF-8", "a\xff\xfeb", "a?b"},
	} {
		content := AppendFailure([][]byte{make([]byte, HeadSize)}, Failed, test.text)
		Head{Error, 1}.Put((*[HeadSize]byte)(content[0]))
		if _, ok := Parse(content); !ok || string(content[2]) != test.want {
			t.Errorf("%s: %.20q, parsed %v", test.name, content[2], ok)
		}
	}
}

// Anything that is parsed either is an ordinary message, or is written again with the same octets.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		content := v.content(f)
		for len(content) < 3 {
			content = append(content, nil)
		}
		f.Add(content[0], content[1], content[2], uint8(len(v.Frames)))
	}
	f.Fuzz(func(t *testing.T, a, b, c []byte, frames uint8) {
		content := [][]byte{a, b, c}[:frames%4]
		head, ok := Parse(content)
		if !ok {
			return
		}
		var frame [HeadSize]byte
		if head.Put(&frame); !bytes.Equal(frame[:], a) || !LooksLike(content) || utf8.Valid(a) {
			t.Fatalf("%x is parsed as %+v, which is %x", a, head, frame)
		}
		if head.Kind == Error {
			code, text := Failure(content)
			if again := AppendFailure(content[:1:1], code, text); !bytes.Equal(again[1], b) || !bytes.Equal(again[2], c) {
				t.Fatalf("the error %x is written as %x", content[1:], again[1:])
			}
		}
	})
}
