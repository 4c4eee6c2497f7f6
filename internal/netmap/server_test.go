package netmap

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Only our own host names are answered: any other DNS name that leads here may belong to a page on the internet.
func TestHosts(t *testing.T) {
	s := &Server{Hosts: []string{"robot.local", ""}}
	for _, c := range []struct {
		host, local string
		want        bool
	}{
		{"127.0.0.1:8080", "127.0.0.1:8080", true},
		{"127.0.0.1", "127.0.0.1:80", true},
		{"localhost:8080", "127.0.0.1:8080", true},
		{"LOCALHOST.:8080", "127.0.0.1:8080", true},
		{"[::1]:8080", "[::1]:8080", true},
		{"robot.local:8080", "192.168.1.7:8080", true},
		{"192.168.1.7:8080", "192.168.1.7:8080", true},
		{"192.168.1.7:8080", "[::ffff:192.168.1.7]:8080", true},
		{"localhost:8080", "192.168.1.7:8080", false},
		{"192.168.1.8:8080", "192.168.1.7:8080", false},
		{"evil.example:8080", "127.0.0.1:8080", false},
		{"evil.example", "127.0.0.1:8080", false},
		{"127.0.0.1.evil.example", "127.0.0.1:8080", false},
		{"localhost.evil.example", "127.0.0.1:8080", false},
		{"", "127.0.0.1:8080", false},
		{":8080", "127.0.0.1:8080", false},
	} {
		local, err := net.ResolveTCPAddr("tcp", c.local)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.allows(c.host, local); got != c.want {
			t.Errorf("%q at %s: %v, want %v", c.host, c.local, got, c.want)
		}
	}
	if s.allows("127.0.0.1", nil) {
		t.Error("allowed without an address")
	}
}

func TestServer(t *testing.T) {
	s := &Server{Latest: func() *Snapshot { return model(5, 0) }}
	id := s.Latest().Nodes[1].ID
	for _, c := range []struct {
		method, path, host string
		status             int
		kind, has          string
	}{
		{"GET", "/", "127.0.0.1:80", 200, "text/html; charset=utf-8", "map.js"},
		{"GET", "/map.js", "127.0.0.1:80", 200, "text/javascript; charset=utf-8", "EventSource"},
		{"GET", "/page.css", "127.0.0.1:80", 200, "text/css; charset=utf-8", "#stage"},
		{"GET", "/colours.css", "127.0.0.1:80", 200, "text/css; charset=utf-8", "--idle"},
		{"GET", "/picture.css", "127.0.0.1:80", 200, "text/css; charset=utf-8", ".node"},
		{"GET", "/map.svg?width=NaN&height=-1", "localhost", 200, "image/svg+xml", "<svg"},
		{"GET", "/map.svg?width=1e300&height=Inf", "localhost", 200, "image/svg+xml", "<svg"},
		{"GET", "/node?id=" + id, "127.0.0.1:80", 200, "application/json", id},
		{"GET", "/node?id=none", "127.0.0.1:80", 404, "", ""},
		{"GET", "/page/index.html", "127.0.0.1:80", 404, "", ""},
		{"GET", "/../server.go", "127.0.0.1:80", 307, "", ""},
		{"POST", "/", "127.0.0.1:80", 405, "", ""},
		{"GET", "/", "evil.example", 421, "", "not by this name"},
		{"GET", "/events", "evil.example:80", 421, "", "not by this name"},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = c.host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80})))
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		h := w.Result().Header
		if w.Code != c.status || c.kind != "" && h.Get("Content-Type") != c.kind || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s %s as %s: status %d, %q, %.100s", c.method, c.path, c.host, w.Code, h.Get("Content-Type"), w.Body)
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: CORS", c.path)
		}
		if c.status == 200 && (!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: headers %v", c.path, h)
		}
	}
}

// serve serves a page that shows the Snapshot in shown.
func serve(t *testing.T, shown *atomic.Pointer[Snapshot]) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- (&Server{Latest: shown.Load}).Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String() + "/"
}

// The number of streams is limited, and they end with the server. The first picture comes at once.
func TestStreams(t *testing.T) {
	var shown atomic.Pointer[Snapshot]
	shown.Store(model(3, 0))
	url := serve(t, &shown)
	for i := range maxStreams + 1 {
		r, err := http.Get(url + "events?width=500&height=500")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		if i == maxStreams {
			if r.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("stream %d: status %d", i, r.StatusCode)
			}
			break
		}
		var p Picture
		prefix := make([]byte, len("data: "))
		if _, err := r.Body.Read(prefix); err != nil || string(prefix) != "data: " {
			t.Fatalf("stream %d: %q, %v", i, prefix, err)
		}
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil || len(p.Nodes) != 3 {
			t.Errorf("stream %d: %+v, %v", i, p, err)
		}
	}
}
