package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A term is one condition of a field selector.
type term struct {
	field, value string
	not          bool
}

// A selector is an AND of terms.
type selector []term

var selectable = map[string][]string{
	"events": {"metadata.name", "metadata.namespace", "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
		"involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"},
	"pods":       {"metadata.name", "metadata.namespace", "spec.nodeName", "status.phase"},
	"namespaces": {"metadata.name", "status.phase"},
}

// parseSelector reads "a=b,c!=d", where \ escapes itself, a comma and an equals sign in a value.
func parseSelector(resource, text string) (selector, error) {
	var sel selector
	for _, part := range splitUnescaped(text) {
		if part == "" {
			continue
		}
		field, value, not, found := cutOperator(part)
		if !found {
			return nil, fmt.Errorf("invalid selector: '%s'; can't understand '%s'", text, part)
		}
		plain, err := unescape(value)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(selectable[resource], field) {
			return nil, fmt.Errorf("field label not supported: %s", field)
		}
		sel = append(sel, term{field, plain, not})
	}
	return sel, nil
}

func splitUnescaped(text string) []string {
	var parts []string
	from := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',':
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

func cutOperator(part string) (field, value string, not, found bool) {
	for i := range len(part) {
		for _, op := range []string{"!=", "==", "="} {
			if strings.HasPrefix(part[i:], op) {
				return part[:i], part[i+len(op):], op == "!=", true
			}
		}
	}
	return "", "", false, false
}

func unescape(value string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case '\\':
			if i++; i == len(value) || !strings.ContainsRune(`\,=`, rune(value[i])) {
				return "", fmt.Errorf("invalid field selector: invalid escape sequence: \\%s", value[min(i, len(value)):min(i+1, len(value))])
			}
			out.WriteByte(value[i])
		case ',', '=':
			return "", fmt.Errorf("invalid field selector: unescaped %q in %q", c, value)
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), nil
}

// fields are what a selector compares. "source" is the component, or else the reporting one.
func (r *revision) fields() map[string]string {
	var o struct {
		InvolvedObject struct{ Kind, Namespace, Name, UID, APIVersion, ResourceVersion, FieldPath string }
		Source         struct{ Component string }
		Spec           struct{ NodeName string }
		Status         struct{ Phase string }

		Reason, Type, ReportingComponent string
	}
	_ = json.Unmarshal([]byte(r.body), &o) // what has the wrong type counts as empty
	source := o.Source.Component
	if source == "" {
		source = o.ReportingComponent
	}
	about := o.InvolvedObject
	return map[string]string{
		"metadata.name": r.Name(), "metadata.namespace": r.Namespace(),
		"involvedObject.kind": about.Kind, "involvedObject.namespace": about.Namespace, "involvedObject.name": about.Name, "involvedObject.uid": about.UID,
		"involvedObject.apiVersion": about.APIVersion, "involvedObject.resourceVersion": about.ResourceVersion, "involvedObject.fieldPath": about.FieldPath,
		"reason": o.Reason, "type": o.Type, "reportingComponent": o.ReportingComponent, "source": source,
		"spec.nodeName": o.Spec.NodeName, "status.phase": o.Status.Phase,
	}
}

// matches says whether the selector takes r; nil matches nothing.
func (sel selector) matches(r *revision) bool {
	if r == nil || len(sel) == 0 {
		return r != nil
	}
	fields := r.fields()
	for _, t := range sel {
		if (fields[t.field] == t.value) == t.not {
			return false
		}
	}
	return true
}
