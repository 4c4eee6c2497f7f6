//go:build linux

package harness

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/go-zre/go-zre/internal/bench"
	"github.com/go-zre/go-zre/internal/curve"
	"github.com/go-zre/go-zre/internal/testbed"
	"github.com/go-zre/go-zre/internal/zmtp"
	"github.com/go-zre/go-zre/zre"
)

// certificate makes one, and returns where it is.
func certificate(t testing.TB) (*zre.Certificate, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench")
	c, err := zre.NewCertificate()
	if err == nil {
		err = c.Save(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, path
}

// curveWhispers is whispersAndLibzmq with CURVE on both sides.
func curveWhispers(t testing.TB, r *run, size size, row string) {
	z := newLibzmq(t, "tcp", "curve")
	load := bench.Load{Size: size.bytes, Count: r.count(size.count/2, 200)}
	c, path := certificate(t)
	port := freePort()
	serve(t, port, 1, "tcp", "--cert", path)
	client, _ := meet(t, port, 1, "tcp", zre.WithCertificate(c))
	r.compare([]string{row}, 11, func() sample { return whisper(t, client, load) }, func() sample { return z.flood(load) })
}

// curveMesh starts ten secure nodes in this process, which meet by tcp alone.
func curveMesh(t testing.TB, r *run) {
	var took samples
	for range r.rounds(15) {
		c, _ := certificate(t)
		ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
		mesh, err := bench.NewMesh(ctx, 10, 9, append(loopback(freePort(), "tcp"), zre.WithCertificate(c))...)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		mesh.Close()
		took = append(took, microseconds(mesh.Took)/1000)
	}
	row := r.row("mesh/10/CURVE/time")
	row.set(took.max(), nil)
	row.Note = fmt.Sprintf("median of %d runs: %.1f", len(took), bench.Median(took))
}

// curveHandshakes is the processor time of handshakes of this process with itself.
func curveHandshakes(t testing.TB, r *run) {
	pair := func(secret byte) *curve.KeyPair {
		keys, err := curve.NewKeyPair([32]byte{secret, 31: 64})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	server, client := pair(1), pair(2)
	cfg := zmtp.Config{Curve: &zmtp.Curve{Keys: server}}
	cfg.Limits.CurvePerAddress = 1 << 30
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	router := zmtp.NewRouter(cfg, func(*zmtp.Conn) (zmtp.Receiver, error) { return nil, net.ErrClosed })
	defer router.Close()
	go router.Serve(l)
	cfg.Curve = &zmtp.Curve{Keys: client, Server: server.Public()}
	count := r.count(500, 20)
	var spent samples
	for range r.rounds(11) {
		before := bench.Spent()
		for range count {
			nc, err := net.Dial("tcp", l.Addr().String())
			if err == nil {
				_, err = zmtp.Identify(t.Context(), nc, cfg)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		spent = append(spent, float64((bench.Spent().Processor-before.Processor).Microseconds())/float64(count))
	}
	r.row("handshake/CURVE").set(spent, nil)
}
