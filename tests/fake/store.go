package main

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A revision is one state of one object. It never changes.
type revision struct {
	key       string // "namespace/name", or "name" for what has no namespace
	namespace int    // length of the namespace in key
	typed     bool   // body says kind and apiVersion itself
	rv        uint64
	body      string // as it stands in a list
	meta      span   // metadata's value in body
	number    span   // the digits of resourceVersion in body; empty where the object brought its own
}

func (r *revision) Namespace() string { return r.key[:r.namespace] }

func (r *revision) Name() string {
	if r.namespace == 0 {
		return r.key
	}
	return r.key[r.namespace+1:]
}

// A change is one write, as a watch sees it: old or new may be nil. A deletion's gone is the old object with its resourceVersion.
type change struct {
	rv             uint64
	old, new, gone *revision
}

// A collection is all objects of one resource.
type collection struct {
	resource, kind string
	namespaced     bool
	cached         bool // served from a watch cache: lists at resourceVersion=0 are whole, and bookmarks come
	empty          string
	order          order
	log            []change // the changes behind dropped
	dropped        uint64   // how many changes stood before log

	snapshot   []*revision // the objects at snapshotRV, for the pages of a list
	snapshotRV uint64
}

// A store is what etcd is to an API server: objects, one resourceVersion for all, and the history since the last compaction.
type store struct {
	mu          sync.RWMutex
	rv          uint64
	compacted   uint64 // watches and lists from before it are refused
	history     int    // how many changes a collection keeps at least
	changed     chan struct{}
	collections map[string]*collection
}

func newStore(history int) *store {
	s := &store{rv: 100, history: history, changed: make(chan struct{}), collections: map[string]*collection{}}
	for _, c := range []*collection{
		{resource: "events", kind: "Event", namespaced: true,
			empty: `"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":""`},
		{resource: "pods", kind: "Pod", namespaced: true, cached: true, empty: `"spec":{"containers":null},"status":{}`},
		{resource: "namespaces", kind: "Namespace", cached: true, empty: `"spec":{},"status":{}`},
	} {
		s.collections[c.resource] = c
	}
	return s
}

func (c *collection) key(namespace, name string) string {
	if c.namespaced {
		return namespace + "/" + name
	}
	return name
}

// prefix is what the keys of a namespace begin with, "" for all.
func (c *collection) prefix(namespace string) string {
	if namespace == "" || !c.namespaced {
		return ""
	}
	return namespace + "/"
}

// wakeLocked tells every watch that there is something new.
func (s *store) wakeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// A writeError is a refusal that the API puts into words.
type writeError struct {
	code   int
	reason string
	text   string
}

func (e *writeError) Error() string { return e.text }

// draft makes the next revision of an object from raw bytes. What metadata lacks is added; what it says of itself stays where
// verbatim, as resourceVersion, uid and creationTimestamp must be free to be wrong in a test.
func (s *store) draft(c *collection, raw, namespace string, old *revision, verbatim bool) (*revision, error) {
	raw = strings.NewReplacer("\n", " ", "\r", " ").Replace(strings.TrimSpace(raw)) // a watch frames by lines
	if !verbatim {
		raw = untyped(raw)
	}
	o, err := newOutline(raw)
	if err != nil {
		return nil, &writeError{400, "BadRequest", err.Error()}
	}
	name := o.text(raw, "name")
	if name == "" || o.meta.to == 0 {
		return nil, &writeError{422, "Invalid", "metadata.name: Required value: name is required"}
	}
	digits := strconv.FormatUint(s.rv+1, 10)
	if at, ok := o.metadata["resourceVersion"]; ok && !verbatim { // the server's to give
		raw = splice(raw, at, quote(digits))
		if o, err = newOutline(raw); err != nil {
			return nil, err
		}
	}
	uid, created := newUID(), time.Now().UTC().Format(time.RFC3339)
	if old != nil {
		if before, err := newOutline(old.body); err == nil {
			uid, created = before.text(old.body, "uid"), before.text(old.body, "creationTimestamp")
		}
	}
	r := &revision{key: c.key(namespace, name), typed: o.typed, rv: s.rv + 1, meta: o.meta}
	var add strings.Builder
	member := func(key, value string) {
		if _, ok := o.metadata[key]; !ok {
			fmt.Fprintf(&add, ",%q:%s", key, quote(value))
		}
	}
	if c.namespaced {
		r.namespace = len(namespace)
		member("namespace", namespace)
	}
	member("uid", uid)
	if at, ok := o.metadata["resourceVersion"]; ok && !verbatim {
		r.number = span{at.from + 1, at.to - 1}
	} else if !ok {
		add.WriteString(`,"resourceVersion":"`)
		r.number.from = o.meta.to - 1 + add.Len()
		r.number.to = r.number.from + len(digits)
		add.WriteString(digits + `"`)
	}
	member("creationTimestamp", created)
	r.meta.to += add.Len()
	r.body = splice(raw, span{o.meta.to - 1, o.meta.to - 1}, add.String())
	return r, nil
}

// numbered is the revision again under another resourceVersion.
func (r *revision) numbered(rv uint64) *revision {
	next := *r
	next.rv = rv
	if r.number.to > 0 {
		digits := strconv.FormatUint(rv, 10)
		next.body = splice(r.body, r.number, digits)
		grown := len(next.body) - len(r.body)
		next.number.to += grown
		next.meta.to += grown
	}
	return &next
}

// commitLocked makes a change the newest state.
func (s *store) commitLocked(c *collection, ch change) {
	s.rv = ch.rv
	if ch.new != nil {
		c.order.put(ch.new)
	} else {
		c.order.remove(ch.old.key)
	}
	c.log = append(c.log, ch)
	if len(c.log) > 2*s.history {
		s.dropLocked(c, len(c.log)-s.history)
	}
}

// dropLocked forgets the oldest n changes.
func (s *store) dropLocked(c *collection, n int) {
	if n <= 0 {
		return
	}
	s.compacted = max(s.compacted, c.log[n-1].rv)
	c.dropped += uint64(n)
	c.log = slices.Clone(c.log[n:]) // watches may still read the old array
}

// write creates an object, or replaces it where it may exist. It says whether it was created.
func (s *store) write(c *collection, raw, namespace string, mayExist, verbatim bool) (*revision, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(c, raw, namespace, mayExist, verbatim)
}

func (s *store) writeLocked(c *collection, raw, namespace string, mayExist, verbatim bool) (*revision, bool, error) {
	r, err := s.draft(c, raw, namespace, nil, verbatim)
	if err != nil {
		return nil, false, err
	}
	old := c.order.get(r.key)
	if old != nil {
		if !mayExist {
			return nil, false, &writeError{409, "AlreadyExists", fmt.Sprintf("%s %q already exists", c.resource, r.Name())}
		}
		if r, err = s.draft(c, raw, namespace, old, verbatim); err != nil {
			return nil, false, err
		}
	} else if c.namespaced && s.collections["namespaces"].order.get(namespace) == nil {
		return nil, false, &writeError{404, "NotFound", fmt.Sprintf("namespaces %q not found", namespace)}
	}
	s.commitLocked(c, change{rv: r.rv, old: old, new: r})
	s.wakeLocked()
	return r, old == nil, nil
}

func (s *store) remove(c *collection, namespace, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := c.order.get(c.key(namespace, name))
	if old == nil {
		return &writeError{404, "NotFound", fmt.Sprintf("%s %q not found", c.resource, name)}
	}
	if c.resource == "namespaces" { // what is in it goes with it
		for _, of := range s.collections {
			if of.namespaced {
				for _, r := range within(of.order.all(), of.prefix(name), "") {
					s.commitLocked(of, change{rv: s.rv + 1, old: r, gone: r.numbered(s.rv + 1)})
				}
			}
		}
	}
	s.commitLocked(c, change{rv: s.rv + 1, old: old, gone: old.numbered(s.rv + 1)})
	s.wakeLocked()
	return nil
}

// ensureNamespacesLocked creates those of names that are not there.
func (s *store) ensureNamespacesLocked(names ...string) {
	c := s.collections["namespaces"]
	for _, name := range names {
		if c.order.get(name) == nil {
			body := fmt.Sprintf(`{"metadata":{"name":%s,"labels":{"kubernetes.io/metadata.name":%s}},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}`, quote(name), quote(name))
			if _, _, err := s.writeLocked(c, body, "", false, true); err != nil {
				panic(err)
			}
		}
	}
}

// compact forgets the history up to rv (0: all of it).
func (s *store) compact(rv uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rv == 0 || rv > s.rv {
		rv = s.rv
	}
	s.compacted = max(s.compacted, rv)
	for _, c := range s.collections {
		n, _ := slices.BinarySearchFunc(c.log, rv+1, func(ch change, rv uint64) int {
			if ch.rv < rv {
				return -1
			}
			return 1
		})
		s.dropLocked(c, n)
	}
}

// at returns the objects of a collection as they were at rv, by undoing what came later, and false if that is compacted.
func (s *store) at(c *collection, rv uint64) ([]*revision, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rv < s.compacted {
		return nil, false
	}
	if c.snapshot == nil || c.snapshotRV != rv {
		c.snapshot, c.snapshotRV = c.undoLocked(rv), rv
	}
	return c.snapshot, true
}

func (c *collection) undoLocked(rv uint64) []*revision {
	then := c.order
	if len(c.log) > 0 && c.log[len(c.log)-1].rv > rv {
		then = order{count: c.order.count, runs: slices.Clone(c.order.runs)}
		for i := range then.runs {
			then.runs[i] = slices.Clone(then.runs[i])
		}
	}
	for i := len(c.log) - 1; i >= 0 && c.log[i].rv > rv; i-- {
		if ch := c.log[i]; ch.old != nil {
			then.put(ch.old)
		} else {
			then.remove(ch.new.key)
		}
	}
	return then.all()
}

// A saved state is a backup of etcd: going back to it makes resourceVersions go back.
type saved struct {
	rv, compacted uint64
	orders        map[string][]*revision
	logs          map[string][]change
}

func (s *store) save() *saved {
	s.mu.RLock()
	defer s.mu.RUnlock()
	backup := &saved{s.rv, s.compacted, map[string][]*revision{}, map[string][]change{}}
	for name, c := range s.collections {
		backup.orders[name], backup.logs[name] = c.order.all(), slices.Clone(c.log)
	}
	return backup
}

func (s *store) restore(backup *saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rv, s.compacted = backup.rv, backup.compacted
	for name, c := range s.collections {
		c.dropped += uint64(len(c.log)) + 1 // a watch that still runs has lost its place
		c.order, c.log, c.snapshot = order{}, slices.Clone(backup.logs[name]), nil
		for _, r := range backup.orders[name] {
			c.order.put(r)
		}
	}
	s.wakeLocked()
}

func newUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
