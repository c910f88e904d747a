package main

import (
	"slices"
	"strings"
)

// runMax is how many revisions a run holds at most: few enough to insert into.
const runMax = 1024

// An order holds the newest revisions sorted by key, as etcd lists them.
type order struct {
	runs  [][]*revision
	count int
}

func compareKey(r *revision, key string) int { return strings.Compare(r.key, key) }

// find returns where key stands, or would.
func (o *order) find(key string) (run, at int, found bool) {
	run, found = slices.BinarySearchFunc(o.runs, key, func(r []*revision, key string) int { return compareKey(r[0], key) })
	if !found && run > 0 {
		run--
	}
	if run == len(o.runs) {
		return 0, 0, false
	}
	at, found = slices.BinarySearchFunc(o.runs[run], key, compareKey)
	return run, at, found
}

func (o *order) get(key string) *revision {
	if run, at, found := o.find(key); found {
		return o.runs[run][at]
	}
	return nil
}

// put replaces the revision of the same key, or adds one.
func (o *order) put(r *revision) {
	run, at, found := o.find(r.key)
	switch {
	case found:
		o.runs[run][at] = r
		return
	case len(o.runs) == 0:
		o.runs = [][]*revision{{r}}
	default:
		o.runs[run] = slices.Insert(o.runs[run], at, r)
		if full := o.runs[run]; len(full) > runMax {
			half := append(make([]*revision, 0, runMax+1), full[runMax/2:]...)
			o.runs[run] = full[: runMax/2 : runMax/2]
			o.runs = slices.Insert(o.runs, run+1, half)
		}
	}
	o.count++
}

func (o *order) remove(key string) {
	run, at, found := o.find(key)
	if !found {
		return
	}
	o.runs[run] = slices.Delete(o.runs[run], at, at+1)
	if len(o.runs[run]) == 0 {
		o.runs = slices.Delete(o.runs, run, run+1)
	}
	o.count--
}

// all returns the revisions as they are now, in order.
func (o *order) all() []*revision {
	return slices.Concat(o.runs...)
}

// within is the part of a sorted list whose keys begin with prefix and are not below start.
func within(sorted []*revision, prefix, start string) []*revision {
	from, _ := slices.BinarySearchFunc(sorted, max(prefix, start), compareKey)
	sorted = sorted[from:]
	if prefix == "" {
		return sorted
	}
	to, _ := slices.BinarySearchFunc(sorted, prefix, func(r *revision, prefix string) int {
		if strings.HasPrefix(r.key, prefix) {
			return -1
		}
		return compareKey(r, prefix)
	})
	return sorted[:to]
}
