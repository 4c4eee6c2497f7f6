package zre_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/go-zre/go-zre/zre"
)

// One secret for a whole exhibition: "zre keygen exhibition" makes it once, and exhibition_secret is copied to each machine.
func ExampleWithSharedCertificate() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	folder, err := os.MkdirTemp("", "exhibition")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "exhibition")
	if exhibition, err := zre.NewCertificate(); err != nil {
		log.Fatal(err)
	} else if err := exhibition.Save(path); err != nil {
		log.Fatal(err)
	}

	certificate, err := zre.LoadCertificate(path)
	if err != nil {
		log.Fatal(err)
	}
	var nodes []*zre.Node
	for _, name := range []string{"projector", "button"} {
		node, err := zre.NewNode(onLoopback(11520, zre.WithName(name), zre.WithSharedCertificate(certificate))...)
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
		nodes = append(nodes, node)
	}
	for event := range nodes[0].Events() {
		if enter, ok := event.(zre.Enter); ok {
			fmt.Println(enter.Peer.Name, "has the secret:", enter.Peer.PublicKey == certificate.PublicKey())
			break
		}
	}
	// Output: button has the secret: true
}

// A certificate for each node, and a folder with the public files of all that may enter. To let another node in, copy its public file there.
func ExampleAllowCertificates() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	keys, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(keys)

	var nodes []*zre.Node
	for _, name := range []string{"camera", "recorder"} {
		certificate, err := zre.NewCertificate()
		if err != nil {
			log.Fatal(err)
		}
		if err := certificate.Save(filepath.Join(keys, name)); err != nil { // on a real network the secret file stays on its machine
			log.Fatal(err)
		}
		allow, err := zre.AllowCertificates(keys)
		if err != nil {
			log.Fatal(err)
		}
		node, err := zre.NewNode(onLoopback(11521, zre.WithName(name), zre.WithCertificate(certificate), zre.WithAuthorizer(allow))...)
		if err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		nodes = append(nodes, node)
	}
	for _, node := range nodes { // the folder is complete
		if err := node.Start(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for event := range nodes[1].Events() {
		if enter, ok := event.(zre.Enter); ok {
			fmt.Println(enter.Peer.Name, "is let in")
			break
		}
	}
	// Output: camera is let in
}

// An authorizer that wants more than a known key: here, that the node is on a private network.
func ExampleWithAuthorizer() {
	certificate, err := zre.NewCertificate()
	if err != nil {
		log.Fatal(err)
	}
	allow := zre.AllowKeys(certificate.PublicKey())
	authorize := func(ctx context.Context, peer zre.Identity) error {
		if peer.Addr.IsValid() && !peer.Addr.Addr().IsPrivate() && !peer.Addr.Addr().IsLoopback() {
			return errors.New("not on our network")
		}
		return allow(ctx, peer)
	}
	node, err := zre.NewNode(zre.WithCertificate(certificate), zre.WithAuthorizer(authorize))
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
}
