package netmap

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-zre/go-zre/internal/termtext"
)

//go:embed page
var page embed.FS

const (
	maxStreams   = 16               // pages shown at a time
	writeTime    = 10 * time.Second // a page that reads nothing for this long is disconnected
	keepAlive    = 15 * time.Second
	streamEvery  = time.Second
	least, most  = 200.0, 8000.0 // limits of a page's frame
	defaultWidth = 1200.0
)

// A Server shows the network as a web page. It is meant for this machine. There is no password, so the server checks the Host header: no
// page on the internet may read it under its own host name.
type Server struct {
	Latest func() *Snapshot // the Snapshot to show
	Hosts  []string         // accepted host names, besides localhost and the addresses at which it listens

	streams atomic.Int32
}

// Handler returns the handler of all requests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, file := range map[string][2]string{
		"/{$}": {"page/index.html", "text/html; charset=utf-8"}, "/map.js": {"page/map.js", "text/javascript; charset=utf-8"},
		"/colours.css": {"page/colours.css", "text/css; charset=utf-8"}, "/picture.css": {"page/picture.css", "text/css; charset=utf-8"},
		"/page.css": {"page/page.css", "text/css; charset=utf-8"},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			content, err := page.ReadFile(file[0])
			if err != nil {
				http.Error(w, "not found", http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Type", file[1])
			_, _ = w.Write(content) // the client may have hung up
		})
	}
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /node", s.node)
	mux.HandleFunc("GET /map.svg", s.downloadSVG)
	return s.guard(mux)
}

// Serve serves until ctx ends, then closes all connections.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: writeTime, ReadTimeout: writeTime, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(l)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve the page: %w", err)
}

// guard refuses requests for host names that are not ours, and makes browsers keep the page to itself.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if !s.allows(r.Host, local) {
			http.Error(w, "zre map: not by this name; use the address that it printed", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// allows tells whether a Host header names this server: by the address of the connection, as localhost if that is a loopback address, or by
// one of Hosts. Any DNS name may resolve to this address, but its owner controls the pages under it.
func (s *Server) allows(header string, local net.Addr) bool {
	name := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.EqualFold(h, name) }) {
		return name != ""
	}
	tcp, ok := local.(*net.TCPAddr)
	if !ok {
		return false
	}
	at := tcp.AddrPort().Addr().Unmap().WithZone("")
	if name == "localhost" {
		return at.IsLoopback()
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().WithZone("") == at
}

// frame returns the size of the page's frame.
func frame(r *http.Request) (width, height float64) {
	side := func(name string, or float64) float64 {
		f, err := strconv.ParseFloat(r.FormValue(name), 64)
		if err != nil || !(f > 0) {
			f = or
		}
		return min(max(f, least), most)
	}
	return side("width", defaultWidth), side("height", defaultWidth*2/3)
}

// events streams pictures as server-sent events: one at once, and another whenever something changes, at most once a second.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		http.Error(w, "zre map: it is open in too many windows", http.StatusServiceUnavailable)
		return
	}
	defer s.streams.Add(-1)
	width, height := frame(r)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	var last string
	lastSent := time.Now()
	for {
		var text string
		if picture, err := json.Marshal(Draw(s.Latest(), width, height)); err == nil && string(picture) != last {
			last = string(picture)
			text = "data: " + string(termtext.JSON(picture)) + "\n\n"
		} else if time.Since(lastSent) > keepAlive {
			text = ":\n\n"
		}
		if text != "" {
			lastSent = time.Now()
			_ = out.SetWriteDeadline(lastSent.Add(writeTime)) // without deadlines, it ends with the connection
			if _, err := w.Write([]byte(text)); err != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// fact is one line of a node's details.
type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// node returns all details of one node.
func (s *Server) node(w http.ResponseWriter, r *http.Request) {
	snapshot := s.Latest()
	i := slices.IndexFunc(snapshot.Nodes, func(n Node) bool { return n.ID == r.FormValue("id") })
	if i < 0 {
		http.Error(w, "no such node", http.StatusNotFound)
		return
	}
	n := &snapshot.Nodes[i]
	var answer struct {
		Facts   []fact `json:"facts"`
		Headers []fact `json:"headers"`
	}
	addFact := func(name, value string) {
		if value != "" {
			answer.Facts = append(answer.Facts, fact{name, termtext.Text(value)})
		}
	}
	addFact("UUID", n.ID)
	addFact("endpoint", n.Endpoint)
	addFact("host", n.Host)
	addFact("subnet", n.Subnet)
	addFact("reached by", n.Transport)
	addFact("state", cmp.Or(n.State, "none"))
	addFact("heard", string(n.Presence))
	addFact("groups", strings.Join(n.Groups, ", "))
	if rates := n.Rates; rates != nil {
		addFact("sends", perSecond(rates.Sent)+", "+bytesPerSecond(rates.SentBytes))
		addFact("receives", perSecond(rates.Received)+", "+bytesPerSecond(rates.ReceivedBytes))
		addFact("queued", count(rates.QueuedMessages, "message"))
		addFact("not read yet", count(rates.WaitingEvents, "message"))
		addFact("peers", strconv.Itoa(rates.Peers))
		addFact("up for", (time.Duration(min(rates.Uptime, 1e9)) * time.Second).String())
	} else {
		addFact("figures", "it shares none (--share-stats)")
	}
	answer.Headers = []fact{}
	for _, name := range slices.Sorted(maps.Keys(n.Headers)) {
		answer.Headers = append(answer.Headers, fact{termtext.Text(name), termtext.Text(n.Headers[name])})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client may have hung up
}

// downloadSVG returns the picture as a file.
func (s *Server) downloadSVG(w http.ResponseWriter, r *http.Request) {
	width, height := frame(r)
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Disposition", `attachment; filename="zre-map.svg"`)
	_ = WriteSVG(w, Draw(s.Latest(), width, height)) // the client may have hung up
}

// bytesPerSecond formats a rate of bytes briefly.
func bytesPerSecond(rate float64) string {
	unit := "B/s"
	for _, larger := range []string{"kB/s", "MB/s", "GB/s"} {
		if rate < 1000 {
			break
		}
		rate, unit = rate/1000, larger
	}
	return strconv.FormatFloat(rate, 'f', 1, 64) + " " + unit
}
