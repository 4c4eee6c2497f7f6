package netmap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// The picture of a network is always the same, and matches the golden file.
func TestSVGGolden(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSVG(&b, Draw(model(12, 0), 1000, 700)); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/twelve.svg"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("another picture than %s: look at it, and run with -update\n%s", golden, &b)
	}
}

// Names of other nodes are text, wherever they appear.
func TestSVGHostile(t *testing.T) {
	s := model(3, 0)
	const evil = `</title></text><script>alert(1)</script>"'&` + "\x00\x1b[2J\u202e\xff"
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Name, n.Host, n.Subnet, n.State, n.Groups = evil, evil, evil, evil, []string{evil}
	}
	var b bytes.Buffer
	if err := WriteSVG(&b, Draw(s, 1000, 700)); err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(&b)
	texts := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "script" {
				t.Fatal("a script")
			}
			for _, a := range token.Attr {
				if strings.Contains(a.Value, "alert") {
					t.Errorf("attribute %s=%q", a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			if strings.ContainsAny(string(token), "\x00\x1b\u202e\uFFFD") {
				t.Errorf("text %q", token)
			}
			if strings.Contains(string(token), "script>") {
				texts++
			}
		}
	}
	if texts == 0 {
		t.Error("the names are not shown")
	}
}
