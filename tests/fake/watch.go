package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A watchQuery is what a watch asks for.
type watchQuery struct {
	rv        uint64
	initial   bool // no resourceVersion, or 0, or a WatchList: what there is comes first
	list      bool // a WatchList
	bookmarks bool
	selector  selector
}

// parseWatch answers itself, and returns nil, where the options make no sense.
func parseWatch(w *reply, r *http.Request, s *server, c *collection) *watchQuery {
	v := r.URL.Query()
	is := func(key string) bool { return v.Get(key) == "true" || v.Get(key) == "1" }
	q := &watchQuery{bookmarks: is("allowWatchBookmarks"), list: is("sendInitialEvents")}
	var err error
	if q.selector, err = parseSelector(c.resource, v.Get("fieldSelector")); err != nil {
		w.bad(err.Error())
		return nil
	}
	s.mu.Lock()
	watchList := s.config.WatchList
	s.mu.Unlock()
	match := v.Get("resourceVersionMatch")
	switch {
	case q.list && !watchList:
		w.invalid("sendInitialEvents", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
		return nil
	case q.list && match != "NotOlderThan":
		w.invalid("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
		return nil
	case !v.Has("sendInitialEvents") && match != "":
		w.invalid("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
		return nil
	}
	rv := v.Get("resourceVersion")
	if rv != "" {
		if q.rv, err = strconv.ParseUint(rv, 10, 64); err != nil {
			w.json(500, status(500, "", "resourceVersion: Invalid value: "+quote(rv)+": strconv.ParseUint: parsing "+quote(rv)+": invalid syntax", nil))
			return nil
		}
	}
	q.initial = q.rv == 0 || q.list
	return q
}

// watch is watch=1: a stream of lines.
func (s *server) watch(w *reply, r *http.Request, t *target) {
	v := r.URL.Query()
	q := parseWatch(w, r, s, t.c)
	if q == nil {
		return
	}
	seconds := 1800.0
	if text := v.Get("timeoutSeconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			w.bad(err.Error())
			return
		}
		if n > 0 {
			seconds = float64(n)
		}
	}
	w.head(200, "application/json")
	_, _ = w.Write(nil) // a fault at the very beginning
	w.Flush()
	st := &stream{s: s, w: w, out: bufio.NewWriterSize(w, 64<<10), t: t, q: q, form: formOf(r, t.c, false), stop: make(chan struct{}, 1), mark: make(chan struct{}, 1)}
	st.run(time.Duration(seconds * float64(time.Second)))
}

// A bookmark says only how far a watch is.
func (f form) bookmark(rv uint64, initialEnd bool) string {
	meta := fmt.Sprintf(`{"resourceVersion":"%d"}`, rv)
	if initialEnd {
		meta = fmt.Sprintf(`{"resourceVersion":"%d","annotations":{"k8s.io/initial-events-end":"true"}}`, rv)
	}
	if f.partial {
		return `{"type":"BOOKMARK","object":` + partialHead + meta + "}}\n"
	}
	return fmt.Sprintf("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":%q,\"apiVersion\":\"v1\",\"metadata\":%s,%s}}\n", f.c.kind, meta, f.c.empty)
}

// A stream is one running watch.
type stream struct {
	s    *server
	w    *reply
	out  *bufio.Writer
	t    *target
	q    *watchQuery
	form form
	stop chan struct{}
	mark chan struct{}

	next uint64 // the change to send next, counted from the collection's first
	rv   uint64 // everything up to here has been sent
}

func (st *stream) line(kind string, r *revision) {
	_, _ = st.out.WriteString(`{"type":"` + kind + `","object":`)
	st.form.put(st.out, r, false)
	_, _ = st.out.WriteString("}\n")
}

func errorLine(doc *statusDoc) string {
	text, _ := json.Marshal(doc)
	return `{"type":"ERROR","object":` + string(text) + "}\n"
}

func (st *stream) fail(doc *statusDoc) {
	_, _ = st.out.WriteString(errorLine(doc))
	st.flush()
}

func (st *stream) flush() {
	_ = st.out.Flush()
	st.w.Flush()
	st.w.entry.sentAt.Store(time.Now().UnixNano())
	st.w.entry.sentRV.Store(st.rv)
}

// run sends until the client goes, the time is over, or a fault says so.
func (st *stream) run(timeout time.Duration) {
	st.s.track(st, true)
	defer st.s.track(st, false)
	end := time.NewTimer(timeout)
	defer end.Stop()
	if !st.begin() {
		return
	}
	st.s.mu.Lock()
	every := st.s.config.Bookmark
	st.s.mu.Unlock()
	ticks := time.NewTicker(time.Duration(max(every, 0.01) * float64(time.Second)))
	defer ticks.Stop()
	for !st.w.ended {
		changes, current, changed, lost := st.pending()
		if lost {
			st.fail(expired())
			return
		}
		for _, ch := range changes {
			st.send(ch)
		}
		if len(changes) > 0 {
			st.flush()
			continue
		}
		st.rv = max(st.rv, current)
		st.w.entry.sentRV.Store(st.rv)
		select {
		case <-changed:
		case <-ticks.C:
			st.bookmark(false)
		case <-end.C:
			st.bookmark(false)
			return
		case <-st.mark:
			st.bookmark(true)
		case <-st.stop:
			return
		case <-st.w.request.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// begin sends what there is, where it is asked for, and finds the first change behind it.
func (st *stream) begin() bool {
	c, store := st.t.c, st.s.store
	store.mu.RLock()
	compacted, current, here := store.compacted, store.rv, c.dropped+uint64(len(c.log))
	var now []*revision
	if st.q.initial {
		now = within(c.order.all(), c.prefix(st.t.namespace), "")
	}
	st.next, st.rv = here, current
	if !st.q.initial {
		st.rv = st.q.rv
		for st.next > c.dropped && c.log[st.next-1-c.dropped].rv > st.q.rv {
			st.next--
		}
	}
	store.mu.RUnlock()
	if st.q.list && st.q.rv > current {
		doc := tooLarge(st.q.rv, current)
		doc.Details["retryAfterSeconds"] = 3
		st.fail(doc)
		return false
	}
	if !st.q.initial && st.q.rv < compacted {
		st.fail(expired())
		return false
	}
	for _, r := range now {
		if st.q.selector.matches(r) {
			st.line("ADDED", r)
		}
		if st.w.ended {
			return false
		}
	}
	if st.q.list && st.q.bookmarks {
		_, _ = st.out.WriteString(st.form.bookmark(st.rv, true))
	}
	st.flush()
	return true
}

// pending takes the changes that were not sent yet, what they bring the watch to, and what tells of later ones.
func (st *stream) pending() (changes []change, current uint64, changed <-chan struct{}, lost bool) {
	store, c := st.s.store, st.t.c
	store.mu.RLock()
	defer store.mu.RUnlock()
	if st.next < c.dropped {
		return nil, 0, nil, true
	}
	changes = c.log[st.next-c.dropped:]
	st.next += uint64(len(changes))
	return changes, store.rv, store.changed, false
}

// send writes a change as this watch sees it: with a selector, an update may be an addition or a deletion.
func (st *stream) send(ch change) {
	if ch.rv <= st.q.rv && !st.q.initial { // it watches from the future
		return
	}
	st.rv = ch.rv
	some := ch.new
	if some == nil {
		some = ch.old
	}
	if prefix := st.t.c.prefix(st.t.namespace); !strings.HasPrefix(some.key, prefix) {
		return
	}
	before, after := st.q.selector.matches(ch.old), st.q.selector.matches(ch.new)
	switch {
	case before && after:
		st.line("MODIFIED", ch.new)
	case after:
		st.line("ADDED", ch.new)
	case before && ch.gone != nil:
		st.line("DELETED", ch.gone)
	case before: // the old object, as of now
		st.line("DELETED", ch.old.numbered(ch.rv))
	}
}

// bookmark says how far the watch is, where it asked for that and the resource has any.
func (st *stream) bookmark(forced bool) {
	if st.q.bookmarks && (st.t.c.cached || forced) {
		_, _ = st.out.WriteString(st.form.bookmark(st.rv, false))
		st.flush()
	}
}

// track adds st to the watches that run, or takes it away.
func (s *server) track(st *stream, running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if running {
		s.watches[st] = true
	} else {
		delete(s.watches, st)
	}
}

// tell sends through a channel of every watch that runs: stop ends it cleanly, mark makes it send a bookmark.
func (s *server) tell(channel func(*stream) chan struct{}) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.watches {
		select {
		case channel(st) <- struct{}{}:
		default: // told already
		}
	}
	return len(s.watches)
}
