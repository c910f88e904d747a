// Command fake is a Kubernetes API server for tests: events, pods and namespaces with list, pages, watch, WatchList and
// discovery, as a real v1.36 server answers, and every fault that a test asks for. See control.go for its second port.
//
//	fake -dir DIR [-listen 127.0.0.1:0] [-listen1 127.0.0.1:0] [-plain 127.0.0.1:0] [-control 127.0.0.1:0] [-events N …]
//
// It writes DIR/kubeconfig, ca.crt, client.crt, client.key and token, prints the four addresses as NAME=URL, and serves until
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
	"syscall"
	"time"
)

// A port is a listener that can go away and come back under the same address.
type port struct {
	address string
	tls     *tls.Config
	handler http.Handler
	record  *record
	gate    *gate

	mu     sync.Mutex
	server *http.Server
}

// shared lets the next server listen while the one before it still does.
func shared(_, _ string, c syscall.RawConn) error {
	const reusePort = 0xf // Linux' SO_REUSEPORT
	var failed error
	if err := c.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, reusePort, 1) }); err != nil {
		return err
	}
	return failed
}

// open listens.
func (p *port) open() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	l, err := (&net.ListenConfig{Control: shared}).Listen(context.Background(), "tcp", p.address)
	if err != nil {
		return err
	}
	p.address = l.Addr().String()
	if p.gate != nil {
		l = p.gate.listener(l)
	}
	p.server = &http.Server{Handler: p.handler, TLSConfig: p.tls, ErrorLog: log.New(io.Discard, "", 0), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			ctx = context.WithValue(ctx, connKey{}, c)
			return context.WithValue(ctx, connID{}, p.record.conns.Add(1))
		}}
	server := p.server
	go func() {
		if p.tls != nil {
			if p.tls.NextProtos[0] != "h2" {
				server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
			}
			_ = server.ServeTLS(l, "", "")
		} else {
			_ = server.Serve(l)
		}
	}()
	return nil
}

// replace has another server listen, and the one before it leave: it asks its clients to go, and serves to its end what runs. It
// returns what waits for that end.
func (p *port) replace() (func() error, error) {
	p.mu.Lock()
	old := p.server
	p.server = nil
	p.mu.Unlock()
	if err := p.open(); err != nil || old == nil {
		return func() error { return nil }, err
	}
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		ended <- old.Shutdown(ctx)
	}()
	return func() error {
		if err := <-ended; err != nil {
			return old.Close()
		}
		return nil
	}, nil
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
	listen1 := flag.String("listen1", "127.0.0.1:0", "address of the API over TLS, HTTP/1.1 only")
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
	rotation := &rotation{}
	if err := rotation.set(keys); err != nil {
		return err
	}
	gate := &gate{conns: map[*gated]bool{}}
	secure := &port{address: *listen, tls: &tls.Config{GetConfigForClient: rotation.current, NextProtos: []string{"h2", "http/1.1"}}, handler: s, record: &s.record, gate: gate}
	secure1 := &port{address: *listen1, tls: &tls.Config{GetConfigForClient: rotation.current1, NextProtos: []string{"http/1.1"}}, handler: s, record: &s.record, gate: gate}
	open := &port{address: *plain, handler: s, record: &s.record, gate: gate}
	api := []*port{secure, secure1, open}
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
	orders := &control{s: s, keys: keys, dir: *dir, outage: interrupt, end: recover, drop: func() { interrupt(0); recover() }, gate: gate,
		rotate: func(what string, seconds float64) error { return rotation.rotate(what, *dir, seconds) }}
	orders.replace = func(between func()) error {
		s.held.Lock()
		var ends []func() error
		for _, p := range api {
			end, err := p.replace()
			if err != nil {
				s.held.Unlock()
				return err
			}
			ends = append(ends, end)
		}
		time.Sleep(100 * time.Millisecond) // their clients have been told by now
		for range 100 {
			if s.tell(func(st *stream) chan struct{} { return st.stop }) == 0 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		between()
		s.held.Unlock()
		for _, end := range ends {
			if err := end(); err != nil {
				return err
			}
		}
		return nil
	}
	third := &port{address: *second, handler: orders, record: &record{}}
	for _, p := range []*port{secure, secure1, open, third} {
		if err := p.open(); err != nil {
			return err
		}
	}
	if err := keys.write(*dir, secure.address, open.address); err != nil {
		return err
	}
	fmt.Printf("server=https://%s\nserver1=https://%s\nplain=http://%s\ncontrol=http://%s\n", secure.address, secure1.address, open.address, third.address)
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
