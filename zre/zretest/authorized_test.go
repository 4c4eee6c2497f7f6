package zretest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zre/go-zre/zre"
	"github.com/go-zre/go-zre/zre/zretest"
)

// savedCertificate returns a new certificate, saved at path unless that is "".
func savedCertificate(t *testing.T, path string) *zre.Certificate {
	t.Helper()
	c, err := zre.NewCertificate()
	if err == nil && path != "" {
		err = c.Save(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// peerNames lists the peers that are present.
func peerNames(w *zretest.Watched) string {
	var list []string
	for _, p := range w.Peers() {
		list = append(list, p.Name)
	}
	return strings.Join(list, " ")
}

// Nodes with one certificate meet, on any transport. They meet no node that has another key or none.
func TestSharedCertificate(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		shared := savedCertificate(t, "")
		hosts := []*zretest.Host{lan.Host("10.0.0.1/16"), lan.Host("10.0.0.2/16"), lan.Host("10.0.0.3/16")}
		a := zretest.Start(t, hosts[0], zre.WithName("a"), zre.WithSharedCertificate(shared))
		b := zretest.Start(t, hosts[1], zre.WithName("b"), zre.WithSharedCertificate(shared))
		c := zretest.Start(t, hosts[1].Process(), zre.WithName("c"), zre.WithSharedCertificate(shared))
		stranger := zretest.Start(t, hosts[2], zre.WithName("stranger"), zre.WithCertificate(savedCertificate(t, "")))
		plain := zretest.Start(t, hosts[2].Process(), zre.WithName("plain"))
		advance(10 * time.Second)
		for w, want := range map[*zretest.Watched]string{a: "b c", b: "a c", c: "a b", stranger: "", plain: ""} {
			if got := peerNames(w); got != want {
				t.Errorf("%s meets %q, want %q", w.Name(), got, want)
			}
		}
		for _, p := range a.Peers() {
			if p.PublicKey != shared.PublicKey() {
				t.Errorf("%s has the key %v, want the shared one", p.Name, p.PublicKey)
			}
		}
		if err := a.Whisper(t.Context(), b.UUID(), []byte("for members alone")); err != nil {
			t.Error(err)
		}
		zretest.Next[zre.Whisper](b)
	})
}

func renameFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// With a folder of certificates, a node that is added to it enters. A node that is removed exits and does not enter again.
func TestFolderOfCertificates(t *testing.T) {
	inFakeTime(t, func(t *testing.T, lan *zretest.LAN) {
		keys, elsewhere := t.TempDir(), t.TempDir()
		allow, err := zre.AllowCertificates(keys)
		if err != nil {
			t.Fatal(err)
		}
		gate := savedCertificate(t, filepath.Join(keys, "gate"))
		robot := savedCertificate(t, filepath.Join(elsewhere, "robot"))
		host := lan.Host("10.0.0.2/16")
		g := zretest.Start(t, lan.Host("10.0.0.1/16"), zre.WithName("gate"), zre.WithCertificate(gate), zre.WithAuthorizer(allow))
		r := zretest.Start(t, host, zre.WithName("robot"), zre.WithCertificate(robot), zre.WithAuthorizer(zre.AllowKeys(gate.PublicKey())))
		advance(time.Minute)
		if len(g.Peers()) > 0 || len(r.Peers()) > 0 {
			t.Errorf("nodes that must not meet see %q and %q", peerNames(g), peerNames(r))
		}
		if !slices.ContainsFunc(g.Problems(), func(p zre.Problem) bool {
			return p.Kind == zre.ProblemRefused && p.About == robot.PublicKey().String() && strings.Contains(p.Err.Error(), "no certificate in "+keys)
		}) {
			t.Errorf("the gate reports the problems %v, want the robot's key refused", g.Problems())
		}
		if dials := r.Stats().Dials; dials > 12 { // it was refused, so it retries less and less often
			t.Errorf("the robot dialled the node that refuses it %d times in a minute, want 12 at most", dials)
		}

		if err := os.Rename(filepath.Join(elsewhere, "robot"), filepath.Join(keys, "robot")); err != nil {
			t.Fatal(err)
		}
		added := time.Now()
		zretest.Next[zre.Enter](g)
		zretest.Next[zre.Enter](r)
		if took := time.Since(added); took > 8*time.Second+5*time.Second { // until the key is accepted, and between two attempts
			t.Errorf("the robot entered after %v, want 13 s at most", took)
		}
		advance(time.Second)
		if left := g.Problems(); len(left) > 0 {
			t.Errorf("problems after the robot entered: %v, want none", left)
		}

		for range 5 { // a folder that is being replaced is absent for a moment
			renameFile(t, keys, keys+".old")
			advance(time.Second)
			renameFile(t, keys+".old", keys)
			advance(5500 * time.Millisecond)
		}
		if got := presenceEvents(g.Seen()); peerNames(g) != "robot" || len(got) > 1 {
			t.Errorf("after the folder was absent for moments the gate has %q and saw %v, want the robot to stay", peerNames(g), got)
		}

		if err := os.Remove(filepath.Join(keys, "robot")); err != nil {
			t.Fatal(err)
		}
		removed := time.Now()
		exit := zretest.Next[zre.Exit](g)
		if took := time.Since(removed); took > 8*time.Second || exit.Reason != zre.ReasonRefused || exit.Err == nil {
			t.Errorf("the removed robot exits after %v with %v: %v, want refused within 8 s", took, exit.Reason, exit.Err)
		}
		zretest.Next[zre.Exit](r)
		advance(time.Minute)
		if len(g.Peers()) > 0 || len(r.Peers()) > 0 {
			t.Errorf("a node whose certificate was removed is present: %q, %q", peerNames(g), peerNames(r))
		}
		host.Kill()
		again := zretest.Start(t, host.Process(), zre.WithName("robot again"), zre.WithCertificate(robot))
		advance(time.Minute)
		if len(again.Peers()) > 0 || len(g.Peers()) > 0 {
			t.Errorf("a node whose certificate was removed is present: %q, %q", peerNames(again), peerNames(g))
		}
	})
}
