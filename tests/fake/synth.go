package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// Synthetic says how many events are to be made, and over how many namespaces and pods (in each) they spread: names, texts and
// fields are those of tests/cluster/flood, in the key order and with the managedFields of the real server.
type synthetic struct {
	Events     int  `json:"events"`
	Namespaces int  `json:"namespaces"`
	Pods       int  `json:"pods"`
	MakePods   bool `json:"makePods"` // as objects too
}

func (y *synthetic) defaults() {
	if y.Namespaces <= 0 {
		y.Namespaces = 10
	}
	if y.Pods <= 0 {
		y.Pods = 100
	}
}

var reasons = []struct{ reason, kind, message string }{
	{"Scheduled", "Normal", `Successfully assigned %s/%s to node-%d`},
	{"Pulling", "Normal", `Pulling image \"registry.example/%s/%s:v1.%d\"`},
	{"Pulled", "Normal", `Successfully pulled image \"registry.example/%s/%s:v1\" in 1.%ds (1.9s including waiting). Image size: 70617411 bytes.`},
	{"Created", "Normal", `Created container %s-%s-%d`},
	{"Started", "Normal", `Started container %s-%s-%d`},
	{"BackOff", "Warning", `Back-off restarting failed container %s in pod %s (attempt \u003c%d\u003e) \u0026 waiting`},
	{"Unhealthy", "Warning", `Readiness probe failed: Get \"http://10.1.2.3:8080/%s/%s?x=%d\": context deadline exceeded`},
}

const managedBefore = `[{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"`

const managedBehind = `","fieldsType":"FieldsV1","fieldsV1":{"f:count":{},"f:firstTimestamp":{},"f:involvedObject":{},"f:lastTimestamp":{},"f:message":{},"f:reason":{},` +
	`"f:reportingComponent":{},"f:reportingInstance":{},"f:source":{"f:component":{},"f:host":{}},"f:type":{}}}]`

// podName is the pod that the i-th event is about.
func (y synthetic) podName(i int) string {
	number := strconv.Itoa(i / y.Namespaces % y.Pods)
	return "app-" + strconv.Itoa(i%7) + "-6c8d9f7b5c-x" + "00000"[min(len(number), 5):] + number
}

func (y synthetic) namespace(i int) string { return "flood-" + strconv.Itoa(i%y.Namespaces) }

// uid looks like one, and follows from n.
func uid(n uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], n*0x9e3779b97f4a7c15+0x165667b19e3779f9)
	binary.BigEndian.PutUint64(b[8:], n*0xc2b2ae3d27d4eb4f+0x27d4eb2f165667c5)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// event makes the revision rv of the event that is number i, first written at born, which has happened count times. It is built
// by hand since a storm is only as fast as this.
func (y synthetic) event(rv uint64, i int, born time.Time, count int) *revision {
	ns, pod, row := y.namespace(i), y.podName(i), reasons[i%len(reasons)]
	name := pod + "." + strconv.FormatInt(born.UnixNano(), 16)
	first := born.UTC().Format(time.RFC3339)
	last := first
	if count > 1 {
		last = born.Add(time.Duration(count-1) * time.Second).UTC().Format(time.RFC3339)
	}
	key := ns + "/" + name
	r := &revision{key: key, namespace: len(ns), rv: rv, meta: span{12, 0}}
	b := make([]byte, 0, 1400)
	put := func(parts ...string) {
		for _, part := range parts {
			b = append(b, part...)
		}
	}
	put(`{"metadata":{"name":"`, name, `","namespace":"`, ns, `","uid":"`, uid(uint64(born.UnixNano())), `","resourceVersion":"`)
	r.number.from = len(b)
	b = strconv.AppendUint(b, rv, 10)
	r.number.to = len(b)
	put(`","creationTimestamp":"`, first, `","managedFields":`, managedBefore, last, managedBehind, `}`)
	r.meta.to = len(b)
	put(`,"involvedObject":{"kind":"Pod","namespace":"`, ns, `","name":"`, pod, `","uid":"`, uid(uint64(i%(y.Namespaces*y.Pods))),
		`","apiVersion":"v1","fieldPath":"spec.containers{app}"},"reason":"`, row.reason, `","message":"`)
	b = fmt.Appendf(b, row.message, ns, pod, i)
	node := strconv.Itoa(i % 50)
	put(`","source":{"component":"kubelet","host":"node-`, node, `"},"firstTimestamp":"`, first, `","lastTimestamp":"`, last, `","count":`, strconv.Itoa(count),
		`,"type":"`, row.kind, `","eventTime":null,"reportingComponent":"kubelet","reportingInstance":"node-`, node, `"}`)
	r.body = string(b)
	return r
}

// load makes synthetic events, which came in over the last hour, and namespaces and pods for them.
func (s *store) load(y synthetic) object {
	y.defaults()
	start := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	y.makeHomes(s)
	step := time.Hour / time.Duration(max(y.Events, 1))
	for i := range y.Events {
		born := start.Add(-time.Hour + time.Duration(i)*step)
		s.commitLocked(s.collections["events"], change{rv: s.rv + 1, new: y.event(s.rv+1, i, born, 1+i%3)})
	}
	s.wakeLocked()
	return object{"events": y.Events, "seconds": time.Since(start).Seconds(), "rv": s.rv}
}

func (y synthetic) makeHomes(s *store) {
	for i := range y.Namespaces {
		s.ensureNamespacesLocked(y.namespace(i))
	}
	pods := s.collections["pods"]
	for i := range y.Namespaces * y.Pods {
		if !y.MakePods || pods.order.get(y.namespace(i)+"/"+y.podName(i)) != nil {
			continue
		}
		body := fmt.Sprintf(`{"metadata":{"name":%q,"managedFields":%s},"spec":{"containers":[{"name":"app","image":"registry.example/app:1"}]},"status":{"phase":"Running"}}`,
			y.podName(i), managedBefore+"2026-01-01T00:00:00Z"+managedBehind)
		if _, _, err := s.writeLocked(pods, body, y.namespace(i), false, true); err != nil {
			panic(err)
		}
	}
}

// storm changes synthetic events as flood's churn does: of three turns two are updates, and one deletes an event and creates
// another. It ends after so many changes or seconds; rate (0: as fast as it can) is in changes a second.
func (s *store) storm(y synthetic, changes int, seconds, rate float64) object {
	y.defaults()
	type living struct {
		i, count int
		born     time.Time
		now      *revision
	}
	start := time.Now()
	var alive []living
	s.mu.Lock()
	y.makeHomes(s)
	s.mu.Unlock()
	c := s.collections["events"]
	commit := func(make func(rv uint64) change) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.commitLocked(c, make(s.rv+1))
		s.wakeLocked()
	}
	done, deleted, next := 0, 0, rand.IntN(1<<20)
	over := func() bool {
		return changes > 0 && done >= changes || seconds > 0 && time.Since(start).Seconds() >= seconds || changes <= 0 && seconds <= 0
	}
	for !over() {
		turn := rand.IntN(3)
		at := 0
		if len(alive) > 0 {
			at = rand.IntN(len(alive))
		}
		switch {
		case len(alive) < max(y.Events, 100) || turn == 0 && done%2 == 0:
			e := living{next, 1, time.Now(), nil}
			next++
			commit(func(rv uint64) change {
				e.now = y.event(rv, e.i, e.born, 1)
				return change{rv: rv, old: c.order.get(e.now.key), new: e.now}
			})
			alive = append(alive, e)
		case turn == 0:
			gone := alive[at].now
			commit(func(rv uint64) change { return change{rv: rv, old: gone, gone: gone.numbered(rv)} })
			deleted++
			alive[at] = alive[len(alive)-1]
			alive = alive[:len(alive)-1]
		default:
			e := &alive[at]
			e.count++
			old := e.now
			commit(func(rv uint64) change {
				e.now = y.event(rv, e.i, e.born, e.count)
				return change{rv: rv, old: old, new: e.now}
			})
		}
		done++
		if rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(done) / rate * float64(time.Second)))))
		}
	}
	return object{"changes": done, "deleted": deleted, "seconds": time.Since(start).Seconds(), "rv": s.rv}
}
