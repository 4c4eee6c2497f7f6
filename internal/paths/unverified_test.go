package paths

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestUnverified(t *testing.T) {
	now := time.Now()
	backoff := func(attempts int) time.Duration { return time.Duration(attempts) * time.Second }
	u := NewUnverified(3, 2, backoff, time.Minute)
	for i, step := range []struct {
		do       string
		endpoint string
		after    time.Duration
		want     bool // of admit
	}{
		{"admit", "10.0.0.1:1", 0, true},
		{"admit", "10.0.0.1:2", 0, true},
		{"admit", "10.0.0.1:3", 0, false}, // two of this address
		{"admit", "10.0.0.2:1", 0, true},
		{"admit", "10.0.0.3:1", 0, false}, // three in all
		{"release", "10.0.0.1:1", 0, false},
		{"fail", "10.0.0.1:1", 0, false},
		{"admit", "10.0.0.1:1", 0, false}, // it failed just now
		{"admit", "10.0.0.1:1", time.Second, true},
		{"release", "10.0.0.1:1", 0, false},
		{"fail", "10.0.0.1:1", time.Second, false},
		{"admit", "10.0.0.1:1", 2 * time.Second, false}, // the second wait is longer
		{"reach", "10.0.0.1:1", 0, false},
		{"admit", "10.0.0.1:1", 2 * time.Second, true}, // it was reached meanwhile
	} {
		endpoint, at := at(step.endpoint), now.Add(step.after)
		switch step.do {
		case "admit":
			if got := u.Admit(endpoint, at); got != step.want {
				t.Fatalf("step %d: admit %v after %v: %v", i, endpoint, step.after, got)
			}
		case "release":
			u.Release(endpoint)
		case "fail":
			u.Failed(endpoint, at)
		case "reach":
			u.Reached(endpoint)
		}
	}
	if u.Count() != 3 || u.Failing() != 0 {
		t.Errorf("%d sessions, %d failing", u.Count(), u.Failing())
	}
	for _, endpoint := range list("10.0.0.1:1 10.0.0.1:2 10.0.0.2:1") {
		u.Release(endpoint)
	}
	if u.Count() != 0 || len(u.from) != 0 {
		t.Errorf("counts left: %d, %v", u.Count(), u.from)
	}
}

// The number of remembered failed endpoints is bounded, and they are forgotten in time.
func TestUnverifiedFlood(t *testing.T) {
	now := time.Now()
	u := NewUnverified(1, 1, func(int) time.Duration { return time.Second }, time.Minute)
	for i := range 2 * MaxFailing {
		u.Failed(at(fmt.Sprintf("10.0.0.9:%d", i+1)), now)
	}
	if u.Failing() != MaxFailing {
		t.Errorf("%d endpoints remembered", u.Failing())
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{time.Second, MaxFailing}, {61 * time.Second, MaxFailing}, {62 * time.Second, 0}} {
		if u.Prune(now.Add(step.after)); u.Failing() != step.want {
			t.Errorf("after %v: %d endpoints, want %d", step.after, u.Failing(), step.want)
		}
	}
}

// After a wrong key an endpoint is not dialled for a moment, and with that key for longer: forged beacons neither keep the right key out
// nor cause many attempts.
func TestUnverifiedKeys(t *testing.T) {
	now := time.Now()
	u := NewUnverified(10, 10, func(int) time.Duration { return time.Second }, time.Minute)
	at := netip.MustParseAddrPort("10.0.0.1:1")
	wrong, right := [32]byte{1}, [32]byte{2}
	admits := func(key [32]byte, after time.Duration, want bool) {
		t.Helper()
		got := u.AdmitKey(at, key, now.Add(after))
		if got {
			u.Release(at)
		}
		if got != want {
			t.Errorf("key %d after %v: %v", key[0], after, got)
		}
	}
	admits(wrong, 0, true)
	u.FailedKey(at, wrong, now)
	admits(wrong, keyPause, false)
	admits(right, keyPause-1, false)
	admits(right, keyPause, true)
	admits(wrong, time.Second, true)
	u.RefusedBy(at, wrong, now)
	admits(wrong, RefusalFactor*time.Second-1, false)
	admits(wrong, RefusalFactor*time.Second, true)
	admits(right, keyPause, true)
	u.Failed(at, now)
	admits(right, keyPause, false)
	if u.Count() != 0 || u.Failing() != 2 {
		t.Errorf("%d admitted, %d failing", u.Count(), u.Failing())
	}
	u.Prune(now.Add(time.Hour))
	if u.Failing() != 0 {
		t.Errorf("%d failing after an hour", u.Failing())
	}
}
