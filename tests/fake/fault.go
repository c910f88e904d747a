package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// A fault is something that goes wrong with requests of a kind. As JSON, in camel case as here but for the first letter.
type fault struct {
	ID int `json:"id"`

	// Which requests: "" and 0 mean any. The page of a list is 1 without a continue token, then 2.
	Verb      string `json:"verb"` // list, watch, get, create, update, delete, discovery, version, review
	Resource  string `json:"resource"`
	Namespace string `json:"namespace"` // of the request; "*" is any single namespace, "-" the cluster scope
	Page      int    `json:"page"`
	Skip      int    `json:"skip"`  // let so many pass first
	Times     int    `json:"times"` // then act so often; 0: until it is removed

	// What happens:
	//   status        an answer with Code (and RetryAfter); Body is JSON or plain text, else what the real server says
	//   close         the request is aborted without an answer; reset: so is its TCP connection
	//   empty         200 and no body at all
	//   cut           at the trigger, the transfer is aborted; end: it ends as if complete
	//   stall         at the trigger, nothing more comes for Seconds (0: until the fault is removed or the client leaves)
	//   drip          from the trigger, Chunk bytes (1) each Seconds
	//   error         at the trigger, an ERROR event with Code, then the end (watch)
	//   inject        at the trigger, Body stands between what is sent
	//   garbage       from the trigger, random bytes in place of what should come, then the end
	//   type          the Content-Type is Body
	//   rv            a list says that its resourceVersion is Body
	//   goaway        nothing, but that the connection is to be left: a GOAWAY of HTTP/2, Connection: close before
	Action     string  `json:"action"`
	Code       int     `json:"code"`
	RetryAfter int     `json:"retryAfter"`
	Body       string  `json:"body"`
	Type       string  `json:"type"` // of a status' Body that is no JSON: its Content-Type (text/plain)
	Seconds    float64 `json:"seconds"`
	Chunk      int     `json:"chunk"`
	Gzip       bool    `json:"gzip"` // compress however short it is (a list, where the client accepts it)

	// The trigger: behind AfterLines whole lines and AfterBytes bytes more of the body, as it goes over the wire.
	AfterLines int `json:"afterLines"`
	AfterBytes int `json:"afterBytes"`

	seen, acted int
	removed     chan struct{}
}

var actions = map[string]bool{"status": true, "close": true, "reset": true, "empty": true, "cut": true, "end": true, "stall": true, "drip": true,
	"error": true, "inject": true, "garbage": true, "type": true, "rv": true, "goaway": true}

// A request as faults and the log see it.
type subject struct {
	verb, resource, namespace string
	page                      int
}

func (f *fault) wants(of subject) bool {
	namespace := f.Namespace == "" || f.Namespace == of.namespace || (f.Namespace == "*" && of.namespace != "") || (f.Namespace == "-" && of.namespace == "")
	return (f.Verb == "" || f.Verb == of.verb) && (f.Resource == "" || f.Resource == of.resource) && namespace && (f.Page == 0 || f.Page == of.page)
}

func (f *fault) isRemoved() bool {
	select {
	case <-f.removed:
		return true
	default:
		return false
	}
}

// Faults is the list of those that are set.
type faults struct {
	mu   sync.Mutex
	next int
	list []*fault
}

func (fs *faults) add(f *fault) error {
	if !actions[f.Action] {
		return fmt.Errorf("no such action: %q", f.Action)
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.next++
	f.ID, f.removed = fs.next, make(chan struct{})
	fs.list = append(fs.list, f)
	return nil
}

// remove takes one away, or all with id 0; what it holds up goes on, and where its trigger has not come it does not strike any more. It
// returns how often it acted.
func (fs *faults) remove(id int) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	acted := 0
	var rest []*fault
	for _, f := range fs.list {
		if id == 0 || f.ID == id {
			acted += f.acted
			close(f.removed)
		} else {
			rest = append(rest, f)
		}
	}
	fs.list = rest
	return acted
}

// take is the fault that a request meets, or nil.
func (fs *faults) take(of subject) *fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if !f.wants(of) {
			continue
		}
		if f.seen++; f.seen <= f.Skip || (f.Times > 0 && f.acted >= f.Times) {
			continue
		}
		f.acted++
		return f
	}
	return nil
}

func (fs *faults) MarshalJSON() ([]byte, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := []object{}
	for _, f := range fs.list {
		list = append(list, object{"id": f.ID, "action": f.Action, "seen": f.seen, "acted": f.acted})
	}
	return json.Marshal(list)
}

// A reply is the answer to one request, where its fault strikes.
type reply struct {
	http.ResponseWriter
	request *http.Request
	entry   *entry
	fault   *fault
	skew    time.Duration
	struck  bool // the fault has acted once
	ended   bool // nothing more goes out

	lines, since int // whole lines written, and bytes behind the last newline that counts
}

// begin acts on faults that need no answer of ours; it returns true where nothing is left to do.
func (w *reply) begin(of subject, user string) bool {
	f := w.fault
	if f == nil {
		return false
	}
	switch f.Action {
	case "status":
		w.refuse(f, of, user)
		return true
	case "close":
		panic(http.ErrAbortHandler)
	case "reset":
		reset(w.request.Context())
		panic(http.ErrAbortHandler)
	case "goaway":
		w.Header().Set("Connection", "close")
	case "empty":
		w.head(http.StatusOK, "application/json")
		return true
	case "stall":
		if f.AfterLines == 0 && f.AfterBytes == 0 {
			w.struck = true
			w.wait(f.Seconds)
		}
	}
	return false
}

// refuse answers with the fault's status, in the real server's words where the fault has none.
func (w *reply) refuse(f *fault, of subject, user string) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(f.RetryAfter))
	}
	switch {
	case f.Body != "" && f.Body[0] == '{':
		w.head(f.Code, "application/json")
		_, _ = w.Write([]byte(f.Body))
	case f.Type != "":
		w.head(f.Code, f.Type)
		_, _ = w.Write([]byte(f.Body))
	case f.Body != "":
		w.plain(f.Code, f.Body)
	case f.Code == 429:
		w.plain(429, "Too many requests, please try again later.\n")
	default:
		w.json(f.Code, usualStatus(f.Code, of, user))
	}
}

// usualStatus is what the real server says with a code.
func usualStatus(code int, of subject, user string) *statusDoc {
	switch code {
	case 401:
		return status(401, "Unauthorized", "Unauthorized", nil)
	case 403:
		return forbidden(of, user)
	case 410:
		return expired()
	case 504:
		return status(504, "Timeout", "Timeout: request did not complete within the allotted timeout", object{})
	}
	reason := map[int]string{500: "InternalError", 503: "ServiceUnavailable"}[code]
	return status(code, reason, "an error on the server has prevented the request from succeeding", object{})
}

// wait sleeps, but not beyond the end of the fault or of the client.
func (w *reply) wait(seconds float64) {
	var timeout <-chan time.Time
	if seconds > 0 {
		timeout = time.After(time.Duration(seconds * float64(time.Second)))
	}
	select {
	case <-timeout:
	case <-w.fault.removed:
	case <-w.request.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// untilTrigger is how many bytes of b may pass before the fault strikes; len(b) or more where it does not yet.
func (w *reply) untilTrigger(b []byte) int {
	f := w.fault
	for i := 0; ; i++ {
		if w.lines >= f.AfterLines && w.since >= f.AfterBytes {
			return i
		}
		if i == len(b) {
			return i + 1
		}
		if w.lines < f.AfterLines {
			if b[i] == '\n' {
				w.lines++
			}
		} else {
			w.since++
		}
	}
}

func (w *reply) Write(b []byte) (int, error) {
	if w.ended {
		return len(b), nil
	}
	if w.fault == nil || w.struck && w.fault.Action != "drip" || !w.struck && w.fault.isRemoved() {
		return w.pass(b)
	}
	n := 0
	if !w.struck {
		if n = w.untilTrigger(b); n > len(b) {
			return w.pass(b)
		}
	}
	if _, err := w.pass(b[:n]); err != nil {
		return 0, err
	}
	w.Flush()
	w.struck = true
	return len(b), w.strike(b[n:])
}

// strike does what the fault does at its trigger; rest is what was to come next.
func (w *reply) strike(rest []byte) error {
	f := w.fault
	switch f.Action {
	case "cut":
		panic(http.ErrAbortHandler)
	case "end":
		w.ended = true
		return nil
	case "error":
		_, _ = w.pass([]byte(errorLine(usualStatus(f.Code, subject{}, ""))))
		w.Flush()
		w.ended = true
		return nil
	case "garbage":
		noise := make([]byte, 2000)
		for i := range noise {
			noise[i] = byte(rand.Uint32())
		}
		_, _ = w.pass(noise)
		w.Flush()
		w.ended = true
		return nil
	case "inject":
		_, _ = w.pass([]byte(f.Body))
	case "stall":
		w.wait(f.Seconds)
	case "drip":
		return w.drip(rest)
	}
	_, err := w.pass(rest)
	return err
}

func (w *reply) drip(rest []byte) error {
	for len(rest) > 0 {
		n := min(max(w.fault.Chunk, 1), len(rest))
		if _, err := w.pass(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
		select {
		case <-w.fault.removed:
			_, err := w.pass(rest)
			return err
		default:
			w.Flush()
			w.wait(w.fault.Seconds)
		}
	}
	return nil
}

func (w *reply) pass(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.entry.bytes.Add(int64(n))
	return n, err
}

func (w *reply) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

type connKey struct{}

// reset ends the connection of a request the hard way.
func reset(ctx context.Context) {
	conn, _ := ctx.Value(connKey{}).(net.Conn)
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*gated); ok {
		c.reset()
	} else if conn != nil {
		_ = conn.Close()
	}
}
