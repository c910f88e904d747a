package main

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// Objects are kept as the bytes that a test gave, so that the server can serve what a typed one would not keep: floats,
// huge integers, unknown fields, bad UTF-8, duplicate keys. This file finds its way in such bytes without decoding them.

var errSyntax = errors.New("not a JSON object")

// A span is a half-open range of bytes.
type span struct{ from, to int }

// skipSpace returns the index of the first byte at or behind i that is no JSON white space.
func skipSpace(b string, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i, or -1.
func skipString(b string, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// skipValue returns the index behind the value that begins at i, or -1.
func skipValue(b string, i int) int {
	for depth := 0; i >= 0 && i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return -1
			}
			i++
			continue
		default: // a number or a word
			for i < len(b) && !isDelimiter(b[i]) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

func isDelimiter(c byte) bool {
	switch c {
	case ',', ':', '{', '}', '[', ']', '"', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

// members calls visit for each member of the object that begins at i (whole is the key with its value), and returns the index
// behind the object, or -1.
func members(b string, i int, visit func(key string, whole, value span)) int {
	if i >= len(b) || b[i] != '{' {
		return -1
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		end := skipString(b, i)
		if end < 0 {
			return -1
		}
		var key string
		from := i
		if json.Unmarshal([]byte(b[i:end]), &key) != nil {
			return -1
		}
		i = skipSpace(b, end)
		if i >= len(b) || b[i] != ':' {
			return -1
		}
		i = skipSpace(b, i+1)
		end = skipValue(b, i)
		if end < 0 {
			return -1
		}
		visit(key, span{from, end}, span{i, end})
		i = skipSpace(b, end)
		if i < len(b) && b[i] == '}' {
			return i + 1
		}
		if i >= len(b) || b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
	return -1
}

// An outline is where the parts of an object stand that a server looks at.
type outline struct {
	typed    bool // it has kind or apiVersion of its own
	meta     span // the value of metadata, the last one where there are several
	metadata map[string]span
}

func newOutline(b string) (*outline, error) {
	o := &outline{}
	end := members(b, skipSpace(b, 0), func(key string, _, value span) {
		switch key {
		case "kind", "apiVersion":
			o.typed = true
		case "metadata":
			o.meta = value
		}
	})
	if end < 0 || skipSpace(b, end) != len(b) {
		return nil, errSyntax
	}
	o.metadata = map[string]span{}
	if o.meta.to > 0 && members(b, o.meta.from, func(key string, _, value span) { o.metadata[key] = value }) < 0 {
		return nil, errors.New("metadata is not an object")
	}
	return o, nil
}

// text is the string that stands in metadata under key, "" where there is none.
func (o *outline) text(b, key string) string {
	var s string
	if at, ok := o.metadata[key]; ok {
		_ = json.Unmarshal([]byte(b[at.from:at.to]), &s) // what is no string counts as none
	}
	return s
}

// quote encodes s as JSON, with < > & as they stand.
func quote(s string) string {
	b := strconv.AppendQuote(nil, s)
	if json.Valid(b) { // nothing that Go escapes in a way of its own
		return string(b)
	}
	b, _ = json.Marshal(s)
	return string(b)
}

// splice replaces a span of b.
func splice(b string, at span, with string) string {
	return b[:at.from] + with + b[at.to:]
}

// untyped is an object without the kind and apiVersion that it says itself.
func untyped(b string) string {
	var rest []string
	if members(b, skipSpace(b, 0), func(key string, whole, _ span) {
		if key != "kind" && key != "apiVersion" {
			rest = append(rest, b[whole.from:whole.to])
		}
	}) < 0 {
		return b
	}
	return "{" + strings.Join(rest, ",") + "}"
}
