package main

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An entry is what is remembered of a request.
type entry struct {
	start    time.Time
	conn     int64
	method   string
	url      string
	proto    string
	agent    string
	accept   string
	encoding string
	user     string
	as       object // Impersonate-* headers
	about    subject
	fault    int
	status   atomic.Int64
	bytes    atomic.Int64
	ended    atomic.Bool
	sentRV   atomic.Uint64 // of a watch: everything up to here has been handed to the network,
	sentAt   atomic.Int64  // at this time (ns since the epoch)
}

func (e *entry) json() object {
	return object{
		"start": float64(e.start.UnixNano()) / 1e9, "conn": e.conn, "method": e.method, "url": e.url, "proto": e.proto, "agent": e.agent, "accept": e.accept,
		"acceptEncoding": e.encoding, "user": e.user, "as": e.as, "verb": e.about.verb, "resource": e.about.resource, "namespace": e.about.namespace, "page": e.about.page,
		"fault": e.fault, "status": e.status.Load(), "bytes": e.bytes.Load(), "ended": e.ended.Load(), "sentRV": e.sentRV.Load(), "sentAt": e.sentAt.Load(),
	}
}

const recordMax = 20000

// A record is the newest requests, and how many there were of each verb and resource.
type record struct {
	mu      sync.Mutex
	entries []*entry
	counts  map[string]int
	conns   atomic.Int64
}

func (rec *record) add(e *entry) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.entries) >= recordMax {
		rec.entries = append([]*entry(nil), rec.entries[recordMax/2:]...)
	}
	rec.entries = append(rec.entries, e)
	rec.counts[e.about.verb+" "+e.about.resource]++
}

func (rec *record) clear() {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	var open []*entry
	for _, e := range rec.entries { // a watch goes on
		if !e.ended.Load() {
			open = append(open, e)
		}
	}
	rec.entries, rec.counts = open, map[string]int{}
}

// json lists the requests, oldest first; only those still under way where open.
func (rec *record) json(open bool) []object {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	list := []object{}
	for _, e := range rec.entries {
		if !open || !e.ended.Load() {
			list = append(list, e.json())
		}
	}
	return list
}

func (rec *record) stats() object {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	counts := map[string]int{}
	for k, n := range rec.counts {
		counts[k] = n
	}
	watches, conns := 0, map[int64]bool{}
	for _, e := range rec.entries {
		conns[e.conn] = true
		if e.about.verb == "watch" && !e.ended.Load() {
			watches++
		}
	}
	return object{"counts": counts, "watches": watches, "connections": len(conns)}
}

func newEntry(r *http.Request, about subject, user string) *entry {
	conn, _ := r.Context().Value(connID{}).(int64)
	as := object{}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "Impersonate-") {
			as[name] = values
		}
	}
	return &entry{start: time.Now(), conn: conn, method: r.Method, url: r.URL.String(), proto: r.Proto, agent: r.UserAgent(), accept: r.Header.Get("Accept"),
		encoding: r.Header.Get("Accept-Encoding"), user: user, as: as, about: about}
}

type connID struct{}
