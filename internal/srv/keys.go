package srv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// keyName is the prefix of the TXT record of a target that has a key: "zre-key=KEY". Consul makes such a record from a node's metadata.
const keyName = "zre-key="

// ErrNoKey says that a target has no key, or several: no TXT record "zre-key=KEY", or more than one.
var ErrNoKey = errors.New(`no single TXT record "` + keyName + `KEY"`)

// maxTexts bounds the TXT records of one target that are looked at.
const maxTexts = 64

// texts asks for the TXT records of a target.
func (c *client) texts(ctx context.Context, target string) ([]string, time.Duration, error) {
	_, r, err := c.ask(ctx, dns.Fqdn(target), dns.TypeTXT)
	if err != nil {
		return nil, 0, err
	}
	return r.texts, r.ttl, nil
}

func (s system) texts(ctx context.Context, target string) ([]string, time.Duration, error) {
	list, err := s.LookupTXT(ctx, target+".")
	return list, defaultTTL, dnsError(err)
}

// text handles a TXT record.
func (m *message) text(r *reply, h dns.RR_Header, data int) error {
	rr, _, err := dns.UnpackRRWithHeader(h, m.packet[:m.off], data) // it reads strings up to the end
	if err != nil {
		return err
	}
	if t, ok := rr.(*dns.TXT); ok && len(r.texts) < maxTexts {
		r.texts = append(r.texts, strings.Join(t.Txt, ""))
		r.ttl = min(r.ttl, ttl(h))
	}
	return nil
}

// A keyResult is the key of a target, or why there is none.
type keyResult struct {
	key string
	ttl time.Duration
	err error
}

// findKeys asks for the keys of targets.
func findKeys(ctx context.Context, a asker, records []record) map[string]keyResult {
	found := make(map[string]keyResult)
	var mu sync.Mutex // guards found
	var wait sync.WaitGroup
	slots := make(chan struct{}, maxConcurrent)
	for _, rec := range records {
		mu.Lock()
		_, isKnown := found[rec.target]
		if !isKnown {
			found[rec.target] = keyResult{err: fmt.Errorf("%w to be asked for a key, the limit is %d", errTooMany, maxAsked)}
		}
		isKnown = isKnown || len(found) > maxAsked
		mu.Unlock()
		if isKnown {
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			k := findKey(ctx, a, rec.target)
			<-slots
			mu.Lock()
			defer mu.Unlock()
			found[rec.target] = k
		})
	}
	wait.Wait()
	return found
}

func findKey(ctx context.Context, a asker, target string) keyResult {
	texts, ttl, err := a.texts(ctx, target)
	if err != nil && !isEmpty(err) {
		return keyResult{err: err}
	}
	k := keyResult{ttl: ttl, err: ErrNoKey}
	for _, text := range texts {
		value, is := strings.CutPrefix(text, keyName)
		switch {
		case !is || value == k.key:
		case k.key != "":
			return keyResult{err: ErrNoKey}
		default:
			k.key, k.err = value, nil
		}
	}
	return k
}
