package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-zre/go-zre/zre"
)

// certificate makes a certificate in a folder and returns its public key.
func certificate(t *testing.T, path string) string {
	t.Helper()
	c, err := zre.NewCertificate()
	if err == nil {
		err = c.Save(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.PublicKey().String()
}

// Nodes with certificates meet and show their keys. A node without one sees none of them.
func TestSecurePipes(t *testing.T) {
	t.Parallel()
	port, dir := freePort(), t.TempDir()
	keyA, keyB := certificate(t, dir+"/a"), certificate(t, dir+"/b")
	plain := startPipe(t, port, "--name", "plain")
	if ready := plain.next("ready"); ready["public_key"] != nil {
		t.Errorf("plain: %v", ready)
	}
	a := startPipe(t, port, "--name", "a", "--cert", dir+"/a", "--authorize", dir)
	b := startPipe(t, port, "--name", "b", "--cert", dir+"/b_secret", "--authorize", dir+"/a", "--authorize", dir+"/b")
	if ready := a.next("ready"); ready["public_key"] != keyA {
		t.Errorf("ready: %v, want the key %s", ready, keyA)
	}
	for _, p := range []struct {
		*run
		name, key string
	}{{a, "b", keyB}, {b, "a", keyA}} {
		if enter := p.next("enter"); enter["name"] != p.name || enter["public_key"] != p.key {
			t.Errorf("enter: %v, want %s with the key %s", enter, p.name, p.key)
		}
		p.send(`{"cmd":"peers"}`)
		if peers := p.next("peers")["peers"].([]any); len(peers) != 1 || peers[0].(map[string]any)["public_key"] != p.key {
			t.Errorf("got the peers %v", peers)
		}
	}
	plain.send(`{"cmd":"peers"}`)
	if peers := plain.next("peers")["peers"].([]any); len(peers) > 0 {
		t.Errorf("the plain node has the peers %v, want none", peers)
	}
}

// A refused peer is a problem that shows its key.
func TestRefusedPipe(t *testing.T) {
	t.Parallel()
	port, dir := freePort(), t.TempDir()
	certificate(t, dir+"/a")
	key := certificate(t, dir+"/stranger")
	a := startPipe(t, port, "--cert", dir+"/a", "--authorize", dir+"/a")
	a.next("ready")
	startPipe(t, port, "--cert", dir+"/stranger")
	if p := a.next("problem"); p["kind"] != "refused" || p["about"] != key || p["public_key"] != key || p["solved"] != false {
		t.Errorf("problem: %v, want one of %s", p, key)
	}
}

// Secure nodes that find each other only by --peer and get their certificates from the environment.
func TestSecurePeer(t *testing.T) {
	port, dir := freePort(), t.TempDir()
	t.Setenv("ZRE_CERT", dir+"/us")
	t.Setenv("ZRE_AUTHORIZE", dir+"/us,"+dir)
	key := certificate(t, dir+"/us")
	a := startPipe(t, port, "--no-beacons", "--name", "a")
	endpoint := a.next("ready")["endpoint"].(string)
	b := startPipe(t, port, "--peer", endpoint+"|"+key, "--no-beacons", "--name", "b")
	if enter := b.next("enter"); enter["name"] != "a" || enter["public_key"] != key {
		t.Errorf("got the enter event %v", enter)
	}
	a.next("enter")
	status, out, errs := runZre(at(port, "ls --no-beacons --json --wait-for 1 --peer "+endpoint+"|"+key)...)
	if status != 0 || strings.Count(out, key) < 2 { // its own, and a's
		t.Errorf("ls: status %d, %s%s", status, out, errs)
	}
}

// A command does not run without the security that was asked for.
func TestSecurityFailsClosed(t *testing.T) {
	dir := t.TempDir()
	key := certificate(t, dir+"/a")
	for _, command := range []string{"pipe", "ls", "watch", "shout G x", "whisper a x", "ping a", "request a x", "on whisper -- true", "bench serve", "bench latency", "bench mesh"} {
		for _, test := range []struct {
			args, says string
			status     int
		}{
			{"--cert " + dir + "/none", "--cert: there is no file", exitFailed},
			{"--authorize " + dir, "--authorize needs --cert", exitFailed},
			{"--cert " + dir + "/a --authorize " + dir + "/none", "--authorize: there is no file or folder", exitFailed},
			{"--peer tcp://127.0.0.1:9|" + key, "a public key needs --cert", exitUsage},
			{"--cert " + dir + "/a --peer tcp://127.0.0.1:9|junk", "the public key after the bar", exitUsage},
		} {
			t.Run(command+" "+filepath.Base(test.args), func(t *testing.T) {
				before, after, more := strings.Cut(command, " -- ")
				args := append(strings.Fields(before), strings.Fields("--interface 127.0.0.1 "+test.args)...)
				if more {
					args = append(append(args, "--"), after)
				}
				status, out, errs := runZre(args...)
				if status != test.status || out != "" || !strings.Contains(errs, test.says) || strings.Count(errs, "\n") != 1 {
					t.Errorf("got status %d, output %q, errors %q", status, out, errs)
				}
			})
		}
	}
}
