package zre

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-zre/go-zre/internal/cert"
)

// Authorizer decides whether a node that has proven its key is let in: WithAuthorizer says when it is called. nil lets it in, an error refuses it: the
// text of the error is for this node's log and problems alone, the other one is told no more than that it is refused.
//
// AllowKeys and AllowCertificates make Authorizers. One that wants more, such as one UUID for each key, may call these first.
type Authorizer func(ctx context.Context, peer Identity) error

// AllowKeys lets in those that have one of these keys. Without any key it lets in none.
func AllowKeys(keys ...PublicKey) Authorizer {
	allowed := make(map[PublicKey]bool, len(keys))
	for _, key := range keys {
		allowed[key] = true
	}
	delete(allowed, PublicKey{}) // nobody proves it
	return func(_ context.Context, peer Identity) error {
		if !allowed[peer.PublicKey] {
			return fmt.Errorf("zre: the key %v is none of the %d that are allowed", peer.PublicKey, len(allowed))
		}
		return nil
	}
}

// AllowCertificates lets in those whose certificates are at one of these paths. Each is a file, or a folder: of that all files count, also those in folders
// within. Left out are hidden files, and those whose names end in _secret; links to files are followed, those to folders are not. A folder may hold 10,000
// files. It is what czmq's zauth takes, so one folder serves both.
//
// Paths are looked at again while peers connect: a file that is added, changed or removed counts within 8 s. A peer
// whose file is removed exits in that time. A path that cannot be read any more lets in none. A file that is no certificate does not count, and the error that refuses
// a peer tells of it.
//
// The error says that a path does not exist, that a file is no certificate, or that of a folder's files none is one. An empty folder is no error: it lets
// in none until it has a file.
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

// WithSharedCertificate makes a secure node of a group whose nodes all have one and the same certificate: WithCertificate, and an authorizer that lets in its
// key alone. It is the simplest way to one secret for a whole exhibition. All members are equal: the key tells that a node is one of
// them, and not which. Who has a copy of the secret file can read and send everything, and take the place of any node, and one copy that
// is lost means a new certificate for all. Give each node a certificate of its own, and AllowCertificates, where that is too little.
func WithSharedCertificate(certificate *Certificate) Option {
	return func(c *config) error {
		if err := WithCertificate(certificate)(c); err != nil {
			return err
		}
		return WithAuthorizer(AllowKeys(certificate.PublicKey()))(c)
	}
}
