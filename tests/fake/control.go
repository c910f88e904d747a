package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// control is the second port, for tests: plain http, without credentials, faults or log. Below /api it is the same API, but that
// writes keep their bytes as they are. Everything else is POST with JSON in and out, and JSON out of GET:
//
//	/bulk       lines of {"op": create|update|put|delete, "resource": "events", "namespace": …, "name": …, "object": …}
//	/load       {"events", "namespaces", "pods"}: synthetic ones, see synth.go
//	/storm      {"changes" or "seconds", "rate"}: creates, updates and deletes of synthetic events; returns when it is over
//	/faults     POST a fault, GET all with how often they acted, DELETE ?id= (or all): what they hold up goes on
//	/compact    {"rv"}: forget the history up to there (0: all)
//	/save       remember the state, /restore go back to it with its resourceVersions, as a restored etcd does (drops connections)
//	/outage     {"seconds"}: refuse connections and drop those that are there (0: until /recover)
//	/replace    {"changes"}: end every watch cleanly and leave, and come back as what was saved, with so many other changes behind it; {"what": "same"}: as it was
//	/freeze     every connection that there is hangs, /thaw: no more
//	/handshakes reset every connection that there is, and each new one in its handshake, until /thaw
//	/rotate     {"what": "server", "client" or "ca", "seconds"}: other certificates; after so long the new files are in DIR
//	/end        end every watch cleanly; /drop: drop every connection
//	/bookmark   every watch that allows them sends one
//	/resources  {"Group", "Version", "Name", "Kind", "Singular", "Scope"}: discovery lists one more
//	/config     settings, those that are given
//	/certificate {"name"}: a client certificate of that common name; its two files are the answer
//	/requests   GET the log of requests (?open=1: those under way), DELETE it
//	/stats      GET the counts
type control struct {
	s      *server
	keys   *pki
	dir    string
	outage func(seconds float64)
	drop   func()
	end    func()

	gate    *gate
	rotate  func(what string, seconds float64) error
	replace func(between func()) error
}

func (c *control) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	path, err := splitPath(r.URL)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w := &reply{ResponseWriter: rw, request: r, entry: &entry{}}
	if path[0] == "api" || path[0] == "apis" {
		t := c.s.target(path)
		c.s.serve(w, r, path, t, classify(r, path, t), true)
		return
	}
	if path[0] == "bulk" {
		c.bulk(w, r)
		return
	}
	answer, err := c.act(r.Method+" "+path[0], r)
	if err != nil {
		w.json(http.StatusBadRequest, object{"error": err.Error()})
		return
	}
	w.json(http.StatusOK, answer)
}

// orders are the arguments of a request to the control port.
type orders struct {
	synthetic
	Changes int     `json:"changes"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"rate"`
	RV      uint64  `json:"rv"`
	What    string  `json:"what"`
	Name    string  `json:"name"`
}

func (c *control) act(what string, r *http.Request) (any, error) {
	var o orders
	var into any = &o
	f := &fault{}
	added := resource{Verbs: []string{"get", "list", "watch"}}
	switch what {
	case "POST faults":
		into = f
	case "POST resources":
		into = &added
	case "POST config":
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		into = &c.s.config
	}
	if r.Method == http.MethodPost {
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil && err.Error() != "EOF" {
			return nil, err
		}
	}
	s := c.s
	switch what {
	case "POST load":
		return s.store.load(o.synthetic), nil
	case "POST storm":
		return s.store.storm(o.synthetic, o.Changes, o.Seconds, o.Rate), nil
	case "POST faults":
		return f, s.faults.add(f)
	case "GET faults":
		return &s.faults, nil
	case "DELETE faults":
		id, _ := strconv.Atoi(r.URL.Query().Get("id"))
		return object{"acted": s.faults.remove(id)}, nil
	case "POST certificate":
		return c.keys.client(c.dir, o.Name)
	case "POST compact":
		s.store.compact(o.RV)
	case "POST save":
		s.mu.Lock()
		s.backup = s.store.save()
		s.mu.Unlock()
	case "POST restore":
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.backup == nil {
			return nil, fmt.Errorf("nothing was saved")
		}
		s.store.restore(s.backup)
		c.drop()
	case "POST replace":
		s.mu.Lock()
		backup := s.backup
		s.mu.Unlock()
		if backup == nil && o.What != "same" {
			return nil, fmt.Errorf("nothing was saved")
		}
		err := c.replace(func() {
			if o.What != "same" {
				s.store.restore(backup)
			}
			if o.Changes > 0 {
				s.store.storm(synthetic{Events: 1, Namespaces: 1}, o.Changes, 0, 0)
			}
		})
		if err != nil {
			return nil, err
		}
	case "POST freeze":
		return object{"connections": c.gate.freeze()}, nil
	case "POST thaw":
		c.gate.thaw()
	case "POST handshakes":
		c.gate.resetHandshakes()
	case "POST rotate":
		if err := c.rotate(o.What, o.Seconds); err != nil {
			return nil, err
		}
	case "POST outage":
		c.outage(o.Seconds)
	case "POST recover":
		c.end()
	case "POST drop":
		c.drop()
	case "POST end":
		return object{"watches": s.tell(func(st *stream) chan struct{} { return st.stop })}, nil
	case "POST bookmark":
		return object{"watches": s.tell(func(st *stream) chan struct{} { return st.mark })}, nil
	case "POST resources":
		s.mu.Lock()
		s.resources = append(s.resources[:len(s.resources):len(s.resources)], added)
		s.mu.Unlock()
	case "POST config":
		return s.config, nil
	case "GET requests":
		return s.record.json(r.URL.Query().Get("open") != ""), nil
	case "DELETE requests":
		s.record.clear()
	case "GET stats":
		return s.stats(), nil
	default:
		return nil, fmt.Errorf("no such order: %s", what)
	}
	return s.stats(), nil
}

func (s *server) stats() object {
	doc := s.record.stats()
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	doc["rv"], doc["compacted"] = s.store.rv, s.store.compacted
	for name, c := range s.store.collections {
		doc[name] = c.order.count
	}
	return doc
}

// An operation is one line of /bulk. The object is kept as it stands.
type operation struct {
	Op        string          `json:"op"`
	Resource  string          `json:"resource"`
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	Object    json.RawMessage `json:"object"`
}

// bulk does many writes; namespaces that are missing come into being.
func (c *control) bulk(w *reply, r *http.Request) {
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 64<<20)
	done, start := 0, time.Now()
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := c.operate(lines.Bytes()); err != nil {
			w.json(http.StatusBadRequest, object{"error": fmt.Sprintf("line %d: %v", done+1, err)})
			return
		}
		done++
	}
	if lines.Err() != nil {
		w.bad(lines.Err().Error())
		return
	}
	doc := c.s.stats()
	doc["done"], doc["seconds"] = done, time.Since(start).Seconds()
	w.json(http.StatusOK, doc)
}

func (c *control) operate(line []byte) error {
	var op operation
	if err := json.Unmarshal(line, &op); err != nil {
		return err
	}
	store := c.s.store
	of := store.collections[op.Resource]
	if of == nil {
		return fmt.Errorf("no such resource: %q", op.Resource)
	}
	if op.Op == "delete" {
		return store.remove(of, op.Namespace, op.Name)
	}
	if !strings.Contains(" create update put ", " "+op.Op+" ") {
		return fmt.Errorf("no such op: %q", op.Op)
	}
	store.mu.Lock()
	defer store.mu.Unlock()
	if of.namespaced {
		store.ensureNamespacesLocked(op.Namespace)
	}
	_, created, err := store.writeLocked(of, string(op.Object), op.Namespace, op.Op != "create", true)
	if err == nil && created && op.Op == "update" {
		return fmt.Errorf("%s %q was not there", op.Resource, op.Name)
	}
	return err
}
