// Command fake is a Kubernetes API server for tests: events, pods and namespaces with list, pages, watch, WatchList and
// discovery, as a real v1.36 server answers, and every fault that a test asks for. See control.go for its second port.
//
//	fake -dir DIR [-listen 127.0.0.1:0] [-plain 127.0.0.1:0] [-control 127.0.0.1:0] [-events N …]
//
// It writes DIR/kubeconfig, ca.crt, client.crt, client.key and token, prints the three addresses as NAME=URL, and serves until
// it is killed, or until standard input ends where -stdin says so.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// A port is a listener that can go away and come back under the same address.
type port struct {
	address string
	tls     *tls.Config
	handler http.Handler
	record  *record

	mu     sync.Mutex
	server *http.Server
}

// open listens; it waits a little for an address that is still in use.
func (p *port) open() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	var l net.Listener
	var err error
	for range 50 {
		if l, err = net.Listen("tcp", p.address); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	p.address = l.Addr().String()
	p.server = &http.Server{Handler: p.handler, TLSConfig: p.tls, ErrorLog: log.New(io.Discard, "", 0), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			ctx = context.WithValue(ctx, connKey{}, c)
			return context.WithValue(ctx, connID{}, p.record.conns.Add(1))
		}}
	server := p.server
	go func() {
		if p.tls != nil {
			_ = server.ServeTLS(l, "", "")
		} else {
			_ = server.Serve(l)
		}
	}()
	return nil
}

// close refuses connections from now on, and drops those that are there.
func (p *port) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		_ = p.server.Close()
		p.server = nil
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:0", "address of the API over TLS (HTTP/2 and 1.1)")
	plain := flag.String("plain", "127.0.0.1:0", "address of the API over plain HTTP/1.1, without credentials")
	second := flag.String("control", "127.0.0.1:0", "address of the control port")
	dir := flag.String("dir", "", "where to write the kubeconfig and certificates (required)")
	history := flag.Int("history", 100000, "changes of a resource that are kept for watches, at least")
	noWatchList := flag.Bool("no-watchlist", false, "refuse sendInitialEvents, as servers before 1.32 do")
	stdin := flag.Bool("stdin", false, "end when standard input does")
	var y synthetic
	flag.IntVar(&y.Events, "events", 0, "synthetic events to begin with")
	flag.IntVar(&y.Namespaces, "namespaces", 10, "namespaces to spread them over")
	flag.IntVar(&y.Pods, "pods", 100, "pods in each namespace")
	flag.BoolVar(&y.MakePods, "make-pods", false, "make these pods, too")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		return fmt.Errorf("usage: fake -dir DIR [options]; see fake -help")
	}
	debug.SetGCPercent(200)

	s := &server{store: newStore(*history), resources: builtinResources(), pages: map[string][]byte{}, watches: map[*stream]bool{},
		config: settings{WatchList: !*noWatchList, Discovery: "v2", Tokens: []string{firstToken}, Bookmark: 60}, record: record{counts: map[string]int{}}}
	s.store.mu.Lock()
	s.store.ensureNamespacesLocked("default", "kube-node-lease", "kube-public", "kube-system")
	s.store.mu.Unlock()
	if y.Events > 0 {
		s.store.load(y)
	}
	keys, err := newPKI()
	if err != nil {
		return err
	}
	config, err := keys.config()
	if err != nil {
		return err
	}
	secure := &port{address: *listen, tls: config, handler: s, record: &s.record}
	open := &port{address: *plain, handler: s, record: &s.record}
	api := []*port{secure, open}
	recover := func() {
		for _, p := range api {
			if err := p.open(); err != nil {
				log.Print(err)
			}
		}
	}
	interrupt := func(seconds float64) {
		for _, p := range api {
			p.close()
		}
		if seconds > 0 {
			time.AfterFunc(time.Duration(seconds*float64(time.Second)), recover)
		}
	}
	orders := &control{s: s, outage: interrupt, end: recover, drop: func() { interrupt(0); recover() }}
	third := &port{address: *second, handler: orders, record: &record{}}
	for _, p := range []*port{secure, open, third} {
		if err := p.open(); err != nil {
			return err
		}
	}
	if err := keys.write(*dir, secure.address, open.address); err != nil {
		return err
	}
	fmt.Printf("server=https://%s\nplain=http://%s\ncontrol=http://%s\n", secure.address, open.address, third.address)
	if *stdin {
		_, _ = io.Copy(io.Discard, os.Stdin)
		return nil
	}
	select {}
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("fake: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
