package main

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// A gate stands behind a port's listener: it knows the connections, lets some hang as a stopped process does whose kernel lives on,
// and resets new ones in their handshake.
type gate struct {
	mu       sync.Mutex
	conns    map[*gated]bool
	resetNew bool
}

func (g *gate) listener(l net.Listener) net.Listener { return &gateListener{l, g} }

// freeze makes the connections that are there hang until thaw, or until they are closed; new ones are not affected.
func (g *gate) freeze() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.frozen = true
	}
	return len(g.conns)
}

func (g *gate) thaw() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resetNew = false
	for c := range g.conns {
		if c.frozen {
			c.frozen = false
			close(c.thawed)
			c.thawed = make(chan struct{})
		}
	}
}

// resetHandshakes resets what connects from now on, behind the first bytes that it sends, and what is connected.
func (g *gate) resetHandshakes() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resetNew = true
	for c := range g.conns {
		c.reset()
	}
}

type gateListener struct {
	net.Listener
	gate *gate
}

func (l *gateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	c := &gated{Conn: conn, gate: l.gate, thawed: make(chan struct{}), closed: make(chan struct{}), doomed: l.gate.resetNew}
	l.gate.conns[c] = true
	return c, nil
}

// A gated connection passes what its gate lets through.
type gated struct {
	net.Conn
	gate   *gate
	frozen bool          // under gate.mu, like thawed
	thawed chan struct{} // closed when it is frozen no more
	closed chan struct{}
	once   sync.Once
	doomed bool // it is reset behind the first bytes
}

// pass waits while the connection is frozen; nobody who waits is told of a deadline.
func (c *gated) pass() {
	for {
		c.gate.mu.Lock()
		frozen, thawed := c.frozen, c.thawed
		c.gate.mu.Unlock()
		if !frozen {
			return
		}
		select {
		case <-thawed:
		case <-c.closed:
			return
		}
	}
}

func (c *gated) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.doomed {
		c.reset()
		return 0, net.ErrClosed
	}
	c.pass()
	return n, err
}

func (c *gated) Write(b []byte) (int, error) {
	c.pass()
	return c.Conn.Write(b)
}

func (c *gated) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	go c.Close()
}

func (c *gated) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// A rotation holds the TLS configuration that new connections get.
type rotation struct {
	mu     sync.Mutex
	keys   *pki
	config *tls.Config
}

func (r *rotation) current(*tls.ClientHelloInfo) (*tls.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config, nil
}

// current1 is the same for a port that does not speak HTTP/2.
func (r *rotation) current1(*tls.ClientHelloInfo) (*tls.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	config := r.config.Clone()
	config.NextProtos = []string{"http/1.1"}
	return config, nil
}

// set makes keys those of new connections.
func (r *rotation) set(keys *pki) error {
	config, err := keys.config()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.config = keys, config
	return nil
}

// rotate renews what is named: the server's certificate, or the authority with all that it signed. What clients need is in dir
// after so many seconds.
func (r *rotation) rotate(what, dir string, seconds float64) error {
	r.mu.Lock()
	keys := *r.keys
	r.mu.Unlock()
	var err error
	switch what {
	case "server":
		keys.server, err = issueServer(keys.ca)
	case "client":
		// The old one is not trusted any more: it is of an authority of its own, like the new one.
		var fresh *pki
		if fresh, err = newPKI(); err == nil {
			keys.clients, keys.admin = fresh.ca, fresh.admin
		}
	default:
		var fresh *pki
		if fresh, err = newPKI(); err == nil {
			keys = *fresh
		}
	}
	if err != nil {
		return err
	}
	if err = r.set(&keys); err != nil {
		return err
	}
	time.AfterFunc(time.Duration(seconds*float64(time.Second)), func() { _ = keys.writePEM(dir) })
	return nil
}
