//go:build linux

package routed

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/go-zre/go-zre/internal/testbed"
)

// A cluster is what CoreDNS asks the Kubernetes API for: one namespace, one headless service with the port named zre, and its endpoints.
type cluster struct {
	mu      sync.Mutex
	version int
	pods    []netip.Addr // present pods; ready, unless they are in waiting
	waiting map[netip.Addr]bool
	changed chan struct{} // closed at the next change
}

// object is an object of the API.
type object map[string]any

func meta(name, namespace string, version int) object {
	return object{"name": name, "namespace": namespace, "uid": name, "resourceVersion": fmt.Sprint(version)}
}

// objects returns those of a kind, and a channel to wait for changes.
func (c *cluster) objects(kind string) (list []object, version int, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	port := object{"name": "zre", "protocol": "TCP", "port": 5671}
	switch kind {
	case "Namespace":
		list = []object{{"metadata": meta("default", "", 1)}}
	case "Service":
		list = []object{{"metadata": meta("robots", "default", 1), "spec": object{"clusterIP": "None", "clusterIPs": []string{"None"}, "ports": []object{port}}}}
	case "EndpointSlice":
		slice := meta("robots-1", "default", c.version)
		slice["labels"] = object{"kubernetes.io/service-name": "robots"}
		endpoints := []object{}
		for _, addr := range c.pods {
			endpoints = append(endpoints, object{"addresses": []string{addr.String()}, "conditions": object{"ready": !c.waiting[addr]}})
		}
		list = []object{{"metadata": slice, "addressType": "IPv4", "endpoints": endpoints, "ports": []object{port}}}
	}
	return list, c.version, c.changed
}

// set adds a pod, and says whether it is ready.
func (c *cluster) set(addr netip.Addr, ready bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.waiting[addr]; !known {
		c.pods = append(c.pods, addr)
	}
	c.waiting[addr] = !ready
	c.version++
	close(c.changed)
	c.changed = make(chan struct{})
}

// ServeHTTP answers lists and watches.
func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, group := map[string]string{"namespaces": "Namespace", "services": "Service", "endpointslices": "EndpointSlice"}, "v1"
	kind := path[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
	if strings.Contains(r.URL.Path, "discovery") {
		group = "discovery.k8s.io/v1"
	}
	w.Header().Set("Content-Type", "application/json")
	list, version, changed := c.objects(kind)
	if r.URL.Query().Get("watch") == "" {
		_ = json.NewEncoder(w).Encode(object{"kind": kind + "List", "apiVersion": group, "metadata": object{"resourceVersion": fmt.Sprint(version)}, "items": list})
		return
	}
	send := func(event string, o object) {
		o["kind"], o["apiVersion"] = kind, group
		_ = json.NewEncoder(w).Encode(object{"type": event, "object": o})
		_ = http.NewResponseController(w).Flush()
	}
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, o := range list {
			send("ADDED", o)
		}
		mark := meta("", "", version)
		mark["annotations"] = object{"k8s.io/initial-events-end": "true"}
		send("BOOKMARK", object{"metadata": mark})
	}
	for {
		select {
		case <-changed:
			if list, _, changed = c.objects(kind); kind == "EndpointSlice" {
				send("MODIFIED", list[0])
			}
		case <-r.Context().Done():
			return
		}
	}
}

// serveCoreDNS runs CoreDNS on a host, with the API of a cluster.
func serveCoreDNS(t *testing.T, h *testbed.Host) *cluster {
	t.Helper()
	program := filepath.Join(testbed.Root(), ".cache", "peers", "coredns", "coredns")
	if _, err := os.Stat(program); err != nil {
		testbed.Missing(t, "CoreDNS (run `make peers`)")
	}
	c := &cluster{version: 1, waiting: make(map[netip.Addr]bool), changed: make(chan struct{})}
	var api net.Listener
	if err := h.Do(func() (err error) { api, err = net.Listen("tcp4", "127.0.0.1:8080"); return err }); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(api) }()
	t.Cleanup(func() { server.Close(); <-done })

	corefile := filepath.Join(t.TempDir(), "Corefile")
	// The configuration of a cluster, without what other names need.
	const config = ".:53 {\n errors\n log\n kubernetes cluster.local {\n  endpoint http://127.0.0.1:8080\n  ttl 5\n }\n cache 30\n}\n"
	if err := os.WriteFile(corefile, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd := h.Command(program, "-conf", corefile)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("CoreDNS said:\n%s", out.String())
		}
	})
	for deadline := time.Now().Add(testbed.Patience); ; {
		var answer *dns.Msg
		err := h.Do(func() (err error) {
			q := new(dns.Msg).SetQuestion("kubernetes.default.svc.cluster.local.", dns.TypeA)
			answer, err = dns.Exchange(q, net.JoinHostPort(h.Addr.String(), "53"))
			return err
		})
		if err == nil && answer.Rcode == dns.RcodeNameError {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("CoreDNS does not answer: %v, %v", answer, err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// Two pods of a headless service, with the DNS server of Kubernetes clusters. The name does not exist until one of them is ready. CoreDNS
// forgets that after 5 s; so they meet a little later than 5 s.
func TestCoreDNS(t *testing.T) {
	t.Parallel()
	for _, srv := range []string{"robots", "robots.default", "_zre._tcp.robots.default.svc.cluster.local"} {
		t.Run(srv, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h := w.host(w.there, "dns")
			c := serveCoreDNS(t, h)
			c.set(w.a.Addr, false)
			c.set(w.b.Addr, false)
			for _, pod := range []*testbed.Host{w.a, w.b} {
				pod.SetFile("/etc/resolv.conf", "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver "+h.Addr.String()+"\noptions ndots:5\n")
			}
			a := start(t, w.a, testbed.Zre, listening("a", "--srv", srv))
			b := start(t, w.b, testbed.Zre, listening("b", "--srv", srv))
			if e, ok := b.Try(testbed.Event{}, calmTime, testbed.Is("enter", a)); ok {
				t.Fatalf("%v, without a record", e)
			}
			came := time.Now()
			c.set(w.a.Addr, true)
			b.Wait(t, "ENTER of a", testbed.Is("enter", a))
			took := time.Since(came)
			t.Logf("they met %v after the first was ready", took.Round(time.Millisecond))
			if took > 7*time.Second {
				t.Errorf("they met %v after the first was ready", took)
			}
			c.set(w.b.Addr, true)
			meet(t, a, b)
			c.set(w.a.Addr, false)
			c.set(w.b.Addr, false)
			calm(t, a, b)
			once(t, a, b)
			for _, p := range []*testbed.Peer{a, b} {
				for _, e := range p.Events() {
					if e.Event == "problem" {
						t.Errorf("%s: %+v", p, e)
					}
				}
			}
		})
	}
}
