package zre

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-zre/go-zre/internal/cert"
)

// Authorizer decides whether a node that has proven its key is let in; see WithAuthorizer. nil lets it in, and an error refuses it. The text of the
// error goes to the log and the problems of this node; the other node is told only that it is refused.
//
// AllowKeys and AllowCertificates return Authorizers. Your own Authorizer can call one of them first, for example to allow each key only one UUID.
type Authorizer func(ctx context.Context, peer Identity) error

// AllowKeys lets in nodes that have one of these keys. Without keys it lets in none.
func AllowKeys(keys ...PublicKey) Authorizer {
	allowed := make(map[PublicKey]bool, len(keys))
	for _, key := range keys {
		allowed[key] = true
	}
	delete(allowed, PublicKey{}) // it has no secret key, so no node can prove it
	return func(_ context.Context, peer Identity) error {
		if !allowed[peer.PublicKey] {
			return fmt.Errorf("zre: the key %v is none of the %d that are allowed", peer.PublicKey, len(allowed))
		}
		return nil
	}
}

// AllowCertificates lets in nodes whose certificates are at one of these paths. A path is a file or a folder. All files in a folder and its
// subfolders count, except hidden files and files whose names end in _secret. Links to files are followed, links to folders are not. A folder may
// have up to 10,000 files. czmq's zauth reads the same folders.
//
// Files that are added, changed or removed take effect within 8 s: a peer whose file is removed exits in that time. A path that can no longer be read lets
// in none. A file that is not a certificate does not count; the error that refuses a peer names it.
//
// The error says that a path does not exist, that a file is not a certificate, or that a folder has files and none of them is a certificate. An empty
// folder is not an error: it lets in none until it has a file.
func AllowCertificates(paths ...string) (Authorizer, error) {
	if len(paths) == 0 {
		return nil, errors.New("zre: AllowCertificates: no path is given, so that nobody would be let in")
	}
	var stores []*cert.Store
	for _, path := range paths {
		store, err := cert.OpenStore(path)
		if err != nil {
			return nil, fmt.Errorf("zre: AllowCertificates: %w", err)
		}
		stores = append(stores, store)
	}
	where := strings.Join(paths, ", ")
	return func(_ context.Context, peer Identity) error {
		var problems []error
		for _, store := range stores {
			if store.Lookup(cert.Key(peer.PublicKey)) != nil {
				return nil
			}
			problems = append(problems, store.Problem())
		}
		err := fmt.Errorf("zre: no certificate in %s has the key %v", where, peer.PublicKey)
		if problem := errors.Join(problems...); problem != nil {
			err = fmt.Errorf("%w (%w)", err, problem)
		}
		return err
	}, nil
}

// WithSharedCertificate makes the node a secure node of a group whose nodes all have the same certificate. It is WithCertificate with an Authorizer
// that lets in only that key: the simplest way to one secret for all nodes. All members are equal: the key proves that a node is a member, not which
// one. Everyone who has a copy of the secret file can read and send everything, and can pose as any node; if one copy is lost, all nodes need a new
// certificate. If that is not enough, give each node its own certificate, and use AllowCertificates.
func WithSharedCertificate(certificate *Certificate) Option {
	return func(c *config) error {
		if err := WithCertificate(certificate)(c); err != nil {
			return fmt.Errorf("zre: WithSharedCertificate: %w", err)
		}
		return WithAuthorizer(AllowKeys(certificate.PublicKey()))(c)
	}
}
