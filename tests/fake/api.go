package main

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// gzipAbove is the size from which lists are compressed, as by the real server.
const gzipAbove = 128 << 10

// pageCacheMax bounds the compressed pages that are kept: asking again then costs what sending costs.
const pageCacheMax = 512 << 20

// A settings is what a test may change while the server runs.
type settings struct {
	WatchList bool     `json:"watchList"`
	Discovery string   `json:"discovery"` // the newest that is served: v2, v2beta1, legacy
	Anonymous bool     `json:"anonymous"` // who has no credential may read
	Tokens    []string `json:"tokens"`
	Bookmark  float64  `json:"bookmark"` // seconds between those of pods and namespaces
	Skew      float64  `json:"skew"`     // seconds that its clock is ahead, as its Date headers have it
	Prefix    string   `json:"prefix"`   // "/k8s/c-1": all of the API is below it

	// Where service accounts (who has a token) may read a resource, by namespace; "*" is the cluster scope, and so everywhere.
	// A resource that is not named may be read. Of namespaces, a name stands for get of that one. Watches that run go on, as
	// with the real server.
	Permitted map[string][]string `json:"permitted"`
}

const accountPrefix = "system:serviceaccount:"

// permits says whether user may do what is asked for.
func (s *server) permits(of subject, name, user string) bool {
	if !strings.HasPrefix(user, accountPrefix) || !(of.verb == "list" || of.verb == "watch" || of.verb == "get") {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	where, limited := s.config.Permitted[of.resource]
	asked := of.namespace
	if of.resource == "namespaces" {
		asked = name
	}
	return !limited || slices.Contains(where, "*") || (asked != "" && slices.Contains(where, asked))
}

type server struct {
	store  *store
	faults faults
	record record
	held   sync.RWMutex // while it is, requests wait

	mu        sync.Mutex // protects what follows
	config    settings
	resources []resource
	backup    *saved
	pages     map[string][]byte
	pageBytes int
	watches   map[*stream]bool
}

// A statusDoc is a metav1.Status in the real server's order.
type statusDoc struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Metadata   object `json:"metadata"`
	Status     string `json:"status"`
	Message    string `json:"message,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Details    object `json:"details,omitempty"`
	Code       int    `json:"code"`
}

func status(code int, reason, message string, details object) *statusDoc {
	return &statusDoc{"Status", "v1", object{}, "Failure", message, reason, details, code}
}

func forbidden(of subject, user string) *statusDoc {
	where := "at the cluster scope"
	if of.namespace != "" {
		where = fmt.Sprintf("in the namespace %q", of.namespace)
	}
	if of.resource == "" {
		return status(403, "Forbidden", fmt.Sprintf("forbidden: User %q cannot get path", user), object{})
	}
	return status(403, "Forbidden", fmt.Sprintf("%s is forbidden: User %q cannot %s resource %q in API group \"\" %s", of.resource, user, of.verb, of.resource, where), object{"kind": of.resource})
}

func expired() *statusDoc {
	return status(410, "Expired", "The resourceVersion for the provided watch is too old.", nil)
}

func tooLarge(asked, current uint64) *statusDoc {
	return status(504, "Timeout", fmt.Sprintf("Timeout: Too large resource version: %d, current: %d", asked, current),
		object{"causes": []object{{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}}})
}

func (w *reply) head(code int, contentType string) {
	if w.fault != nil && w.fault.Action == "type" {
		contentType = w.fault.Body
	}
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-cache, private")
	}
	if w.skew != 0 {
		w.Header().Set("Date", time.Now().Add(w.skew).UTC().Format(http.TimeFormat))
	}
	w.entry.status.Store(int64(code))
	w.WriteHeader(code)
}

func (w *reply) plain(code int, text string) {
	w.head(code, "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text)
}

func (w *reply) json(code int, doc any) {
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	w.head(code, "application/json")
	_, _ = w.Write(append(text, '\n'))
}

func (w *reply) bad(message string) {
	w.json(http.StatusBadRequest, status(http.StatusBadRequest, "BadRequest", message, nil))
}

// invalid is the answer to options that contradict each other.
func (w *reply) invalid(field, message string) {
	text := "Forbidden: " + message
	w.json(422, status(422, "Invalid", fmt.Sprintf("ListOptions.meta.k8s.io \"\" is invalid: %s: %s", field, text), object{"group": "meta.k8s.io", "kind": "ListOptions",
		"causes": []object{{"reason": "FieldValueForbidden", "message": text, "field": field}}}))
}

func (w *reply) writeError(c *collection, name string, err error) {
	var e *writeError
	if !errors.As(err, &e) {
		e = &writeError{500, "InternalError", err.Error()}
	}
	w.json(e.code, status(e.code, e.reason, e.text, object{"name": name, "kind": c.resource}))
}

// splitPath undoes the escapes of a path segment by segment: a name may hold a slash.
func splitPath(u *url.URL) ([]string, error) {
	var path []string
	for _, s := range strings.Split(strings.Trim(u.EscapedPath(), "/"), "/") {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return nil, err
		}
		path = append(path, plain)
	}
	return path, nil
}

// A target is what a path of the API names.
type target struct {
	c               *collection
	namespace, name string
}

func (s *server) target(path []string) *target {
	if len(path) < 3 || path[0] != "api" || path[1] != "v1" {
		return nil
	}
	path = path[2:]
	t := &target{}
	if len(path) >= 3 && path[0] == "namespaces" { // namespaces/NS/events…
		t.namespace, path = path[1], path[2:]
	}
	t.c = s.store.collections[path[0]]
	if len(path) == 2 {
		t.name = path[1]
	}
	if t.c == nil || len(path) > 2 || (t.namespace != "" && !t.c.namespaced) || (t.name != "" && t.namespace == "" && t.c.namespaced) {
		return nil
	}
	return t
}

func classify(r *http.Request, path []string, t *target) subject {
	if t == nil {
		switch path[0] {
		case "version", "readyz", "healthz", "livez":
			return subject{verb: "version"}
		}
		if isReview(r, path) {
			return subject{verb: "review"}
		}
		return subject{verb: "discovery"}
	}
	of := subject{resource: t.c.resource, namespace: t.namespace}
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPost:
		of.verb = "create"
	case r.Method == http.MethodPut:
		of.verb = "update"
	case r.Method == http.MethodDelete:
		of.verb = "delete"
	case t.name != "":
		of.verb = "get"
	case query.Get("watch") == "1" || query.Get("watch") == "true":
		of.verb = "watch"
	default:
		of.verb, of.page = "list", 1
		if query.Get("continue") != "" {
			of.page = 2
		}
	}
	return of
}

// user says who asks: "" where the credential is none that is known.
func (s *server) user(r *http.Request) string {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return r.TLS.PeerCertificates[0].Subject.CommonName
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, known := range s.config.Tokens {
			if token == known {
				return accountPrefix + "default:" + token
			}
		}
		return ""
	}
	return "system:anonymous"
}

// behindPrefix is the request as it is without the prefix of all paths; false where that is not before it.
func (s *server) behindPrefix(r *http.Request) (*http.Request, bool) {
	s.mu.Lock()
	prefix := s.config.Prefix
	s.mu.Unlock()
	if prefix == "" {
		return r, true
	}
	u := *r.URL
	path, ok := strings.CutPrefix(u.Path, prefix+"/")
	u.Path, u.RawPath = "/"+path, strings.TrimPrefix(u.RawPath, prefix)
	stripped := *r
	stripped.URL = &u
	return &stripped, ok
}

// ServeHTTP is the API as clients see it: with credentials, faults and a log. What comes over plain http may read.
func (s *server) ServeHTTP(rw http.ResponseWriter, whole *http.Request) {
	r, ok := s.behindPrefix(whole)
	if !ok {
		http.NotFound(rw, whole)
		return
	}
	path, err := splitPath(r.URL)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	t := s.target(path)
	of, user := classify(r, path, t), s.user(r)
	s.held.RLock()
	s.held.RUnlock() //nolint:staticcheck // nothing more than to wait
	w := &reply{ResponseWriter: rw, request: r, entry: newEntry(r, of, user), fault: s.faults.take(of)}
	if w.fault != nil {
		w.entry.fault = w.fault.ID
	}
	s.record.add(w.entry)
	defer w.entry.ended.Store(true)
	s.mu.Lock()
	w.skew = time.Duration(s.config.Skew * float64(time.Second))
	s.mu.Unlock()
	if w.begin(of, user) {
		return
	}
	s.mu.Lock()
	open := s.config.Anonymous || r.TLS == nil || of.verb == "version"
	s.mu.Unlock()
	name := ""
	if t != nil {
		name = t.name
	}
	switch {
	case user == "":
		w.json(401, usualStatus(401, of, user))
	case !s.permits(of, name, user):
		w.json(403, forbidden(of, user))
	case user == "system:anonymous" && !open:
		w.json(403, forbidden(of, user))
	default:
		s.serve(w, r, path, t, of, false)
	}
}

func (s *server) serve(w *reply, r *http.Request, path []string, t *target, of subject, verbatim bool) {
	switch {
	case t == nil && path[0] == "version":
		w.json(200, object{"major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
			"goVersion": "go1.26", "compiler": "gc", "platform": "linux/amd64"})
	case of.verb == "review":
		_, _ = io.Copy(io.Discard, r.Body)
		w.json(201, reviewOf(s.user(r)))
	case t == nil && of.verb == "version":
		w.plain(200, "ok")
	case t == nil && (path[0] == "api" && len(path) <= 2 || path[0] == "apis" && len(path) <= 3):
		s.discovery(w, r, path)
	case t == nil && path[0] == "api":
		w.json(404, status(404, "NotFound", "the server could not find the requested resource", object{}))
	case t == nil:
		w.plain(404, "404 page not found\n")
	case of.verb == "list":
		s.list(w, r, t)
	case of.verb == "watch":
		s.watch(w, r, t)
	case of.verb == "get":
		s.get(w, r, t)
	default:
		s.change(w, r, t, of.verb, verbatim)
	}
}

// form is how objects are to be written: whole, or their metadata only.
type form struct {
	c       *collection
	partial bool
}

func formOf(r *http.Request, c *collection, list bool) form {
	as := "PartialObjectMetadata"
	if list {
		as += "List"
	}
	for media := range strings.SplitSeq(r.Header.Get("Accept"), ",") { // the first that we have
		switch params := strings.Split(strings.ReplaceAll(media, " ", ""), ";"); {
		case !strings.HasSuffix(params[0], "/json") && params[0] != "*/*" && params[0] != "application/*":
		case len(params) == 1:
			return form{c, false}
		case strings.Contains(media, "as="+as+";"):
			return form{c, true}
		case !strings.Contains(media, "as="):
			return form{c, false}
		}
	}
	return form{c, false}
}

const partialHead = `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":`

// put writes r: as a list item, or as it stands alone, with kind and apiVersion.
func (f form) put(w *bufio.Writer, r *revision, item bool) {
	switch {
	case f.partial:
		_, _ = w.WriteString(partialHead)
		_, _ = w.WriteString(r.body[r.meta.from:r.meta.to])
		_ = w.WriteByte('}')
	case item || r.typed:
		_, _ = w.WriteString(r.body)
	default:
		_, _ = w.WriteString(`{"kind":"` + f.c.kind + `","apiVersion":"v1",`)
		_, _ = w.WriteString(r.body[1:])
	}
}

func (s *server) get(w *reply, r *http.Request, t *target) {
	s.store.mu.RLock()
	found := t.c.order.get(t.c.key(t.namespace, t.name))
	s.store.mu.RUnlock()
	if found == nil {
		w.writeError(t.c, t.name, &writeError{404, "NotFound", fmt.Sprintf("%s %q not found", t.c.resource, t.name)})
		return
	}
	w.head(200, "application/json")
	out := bufio.NewWriter(w)
	formOf(r, t.c, false).put(out, found, false)
	_ = out.WriteByte('\n')
	_ = out.Flush()
}

// A token is what continue holds, as the real server makes it. RV -1 goes on with what there is now.
type token struct {
	V     string `json:"v"`
	RV    int64  `json:"rv"`
	Start string `json:"start"`
}

func (t token) String() string {
	t.V = "meta.k8s.io/v1"
	text, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(text)
}

// A query is what a list asks for.
type query struct {
	limit    int
	rv       uint64
	token    token
	go_on    bool // token is set
	exact    bool
	selector selector
	text     string // of the selector
}

// parseQuery answers itself, and returns nil, where the options make no sense.
func parseQuery(w *reply, r *http.Request, c *collection) *query {
	v := r.URL.Query()
	q := &query{text: v.Get("fieldSelector")}
	var err error
	if limit := v.Get("limit"); limit != "" {
		if q.limit, err = strconv.Atoi(limit); err != nil {
			w.bad(fmt.Sprintf("strconv.ParseInt: parsing %q: invalid syntax", limit))
			return nil
		}
	}
	if q.selector, err = parseSelector(c.resource, q.text); err != nil {
		w.bad(err.Error())
		return nil
	}
	rv, match := v.Get("resourceVersion"), v.Get("resourceVersionMatch")
	if rv == "" && match != "" {
		w.invalid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
		return nil
	}
	if rv != "" {
		if q.rv, err = strconv.ParseUint(rv, 10, 64); err != nil {
			w.bad(fmt.Sprintf("invalid resource version: resourceVersion: Invalid value: %q: strconv.ParseUint: parsing %q: invalid syntax", rv, rv))
			return nil
		}
	}
	q.exact = match == "Exact" && q.rv > 0
	if text := v.Get("continue"); text != "" {
		q.go_on = true
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || json.Unmarshal(raw, &q.token) != nil || q.token.V != "meta.k8s.io/v1" {
			w.bad("invalid continue token: continue key is not valid")
			return nil
		}
		if q.rv > 0 {
			w.bad("specifying resource version is not allowed when using continue")
			return nil
		}
	}
	return q
}

func (s *server) list(w *reply, r *http.Request, t *target) {
	q := parseQuery(w, r, t.c)
	if q == nil {
		return
	}
	if t.c.cached && r.URL.Query().Get("resourceVersion") == "0" {
		q.limit = 0 // the watch cache has them all at hand
	}
	s.store.mu.RLock()
	current := s.store.rv
	s.store.mu.RUnlock()
	if q.rv > current {
		w.json(504, tooLarge(q.rv, current))
		return
	}
	rv, start := current, ""
	if q.go_on {
		start = q.token.Start
		if q.token.RV >= 0 {
			rv = uint64(q.token.RV)
		}
	} else if q.exact {
		rv = q.rv
	}
	all, kept := s.store.at(t.c, rv)
	if !kept {
		s.expiredList(w, q)
		return
	}
	s.sendList(w, r, t, q, rv, within(all, t.c.prefix(t.namespace), start))
}

// expiredList refuses a resourceVersion that is compacted, with the token that goes on all the same.
func (s *server) expiredList(w *reply, q *query) {
	doc := expired()
	if q.go_on {
		doc.Message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter."
		doc.Metadata = object{"continue": token{RV: -1, Start: q.token.Start}.String()}
	}
	w.json(http.StatusGone, doc)
}

// sendList answers with the first page of what is left.
func (s *server) sendList(w *reply, r *http.Request, t *target, q *query, rv uint64, left []*revision) {
	f := formOf(r, t.c, true)
	if len(q.selector) > 0 {
		var matching []*revision
		for _, item := range left {
			if q.limit > 0 && len(matching) > q.limit { // one more says that there is more
				break
			}
			if q.selector.matches(item) {
				matching = append(matching, item)
			}
		}
		left = matching
	}
	items, more := left, 0
	if q.limit > 0 && len(left) > q.limit {
		items, more = left[:q.limit], len(left)-q.limit
	}
	says := strconv.FormatUint(rv, 10)
	if w.fault != nil && w.fault.Action == "rv" {
		says = w.fault.Body
	}
	head := `{"resourceVersion":` + quote(says)
	if more > 0 {
		head += `,"continue":` + quote(token{RV: int64(rv), Start: items[len(items)-1].key + "\x00"}.String())
		if len(q.selector) == 0 {
			head += fmt.Sprintf(`,"remainingItemCount":%d`, more)
		}
	}
	head += "}"
	write := func(to io.Writer) {
		out := bufio.NewWriterSize(to, 256<<10)
		kind, version := t.c.kind+"List", "v1"
		if f.partial {
			kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
		}
		fmt.Fprintf(out, `{"kind":"%s","apiVersion":"%s","metadata":%s,"items":[`, kind, version, head)
		for i, item := range items {
			if i > 0 {
				_ = out.WriteByte(',')
			}
			f.put(out, item, true)
		}
		_, _ = out.WriteString("]}\n")
		_ = out.Flush()
	}
	size := 0
	for _, item := range items {
		size += len(item.body)
	}
	force := w.fault != nil && w.fault.Gzip
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && (size > gzipAbove || force) {
		key := fmt.Sprint(t.c.resource, rv, t.namespace, q.token.Start, q.limit, q.text, f.partial, head)
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Vary", "Accept-Encoding")
		w.head(200, "application/json")
		_, _ = w.Write(s.compressed(key, write))
		return
	}
	w.head(200, "application/json")
	write(w)
}

// compressed is a page as gzip, from the cache where it was asked for before.
func (s *server) compressed(key string, write func(io.Writer)) []byte {
	s.mu.Lock()
	page := s.pages[key]
	s.mu.Unlock()
	if page != nil {
		return page
	}
	var buffer strings.Builder
	zip, _ := gzip.NewWriterLevel(&buffer, gzip.BestSpeed)
	write(zip)
	_ = zip.Close()
	page = []byte(buffer.String())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pageBytes += len(page); s.pageBytes > pageCacheMax {
		s.pages, s.pageBytes = map[string][]byte{}, len(page)
	}
	s.pages[key] = page
	return page
}

// change is POST, PUT and DELETE.
func (s *server) change(w *reply, r *http.Request, t *target, verb string, verbatim bool) {
	if verb == "delete" {
		if err := s.store.remove(t.c, t.namespace, t.name); err != nil {
			w.writeError(t.c, t.name, err)
			return
		}
		w.json(200, object{"kind": "Status", "apiVersion": "v1", "metadata": object{}, "status": "Success", "details": object{"name": t.name, "kind": t.c.resource}})
		return
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		w.bad(err.Error())
		return
	}
	made, created, err := s.store.write(t.c, string(raw), t.namespace, verb == "update", verbatim)
	if err != nil {
		w.writeError(t.c, t.name, err)
		return
	}
	code := http.StatusOK
	if created {
		code = http.StatusCreated
	}
	w.head(code, "application/json")
	out := bufio.NewWriter(w)
	form{t.c, false}.put(out, made, false)
	_ = out.WriteByte('\n')
	_ = out.Flush()
}
