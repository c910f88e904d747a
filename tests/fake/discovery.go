package main

import (
	"crypto/sha512"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

//go:embed resources.tsv
var resourcesTSV string

// A resource is a row of resources.tsv, or one that a test added as a CRD would.
type resource struct {
	Group, Version, Name, Kind, Singular, Scope string
	Verbs, ShortNames, Categories, Subresources []string
}

func builtinResources() []resource {
	list := func(s string) []string {
		switch s {
		case "-":
			return nil
		case "*":
			return strings.Split("create,delete,deletecollection,get,list,patch,update,watch", ",")
		}
		return strings.Split(s, ",")
	}
	var all []resource
	for line := range strings.Lines(resourcesTSV) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || len(f) != 10 {
			continue
		}
		all = append(all, resource{strings.Trim(f[0], "-"), f[1], f[2], f[3], f[4], f[5], list(f[6]), list(f[7]), list(f[8]), list(f[9])})
	}
	return all
}

type object = map[string]any

// versions calls visit for each (group, version) in order, with its resources.
func versions(all []resource, visit func(group, version string, of []resource)) {
	seen := map[string]bool{}
	for _, r := range all {
		if at := r.Group + "/" + r.Version; !seen[at] {
			seen[at] = true
			var of []resource
			for _, other := range all {
				if other.Group == r.Group && other.Version == r.Version {
					of = append(of, other)
				}
			}
			visit(r.Group, r.Version, of)
		}
	}
}

// aggregated is the document of /api (core) or /apis, in one request: apidiscovery.k8s.io v2 or v2beta1.
func aggregated(all []resource, core bool, version string) object {
	var groups []object
	at := map[string]int{}
	versions(all, func(group, groupVersion string, of []resource) {
		if (group == "") != core {
			return
		}
		if _, ok := at[group]; !ok {
			at[group] = len(groups)
			meta := object{}
			if group != "" {
				meta["name"] = group
			}
			groups = append(groups, object{"metadata": meta, "versions": []object{}})
		}
		var resources []object
		for _, r := range of {
			// The built-in ones leave group and version out, custom ones say them.
			responseKind := object{"group": "", "version": "", "kind": r.Kind}
			if strings.Contains(r.Group, ".") && !strings.HasSuffix(r.Group, ".k8s.io") {
				responseKind = object{"group": r.Group, "version": r.Version, "kind": r.Kind}
			}
			row := object{"resource": r.Name, "responseKind": responseKind, "scope": r.Scope, "singularResource": r.Singular, "verbs": r.Verbs}
			if r.ShortNames != nil {
				row["shortNames"] = r.ShortNames
			}
			if r.Categories != nil {
				row["categories"] = r.Categories
			}
			var subs []object
			for _, s := range r.Subresources {
				subs = append(subs, object{"subresource": s, "responseKind": responseKind, "verbs": []string{"get", "patch", "update"}})
			}
			if subs != nil {
				row["subresources"] = subs
			}
			resources = append(resources, row)
		}
		g := groups[at[group]]
		g["versions"] = append(g["versions"].([]object), object{"version": groupVersion, "resources": resources, "freshness": "Current"})
	})
	return object{"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/" + version, "metadata": object{}, "items": groups}
}

func legacyGroup(all []resource, name string) object {
	var list []object
	versions(all, func(group, version string, _ []resource) {
		if group == name {
			list = append(list, object{"groupVersion": group + "/" + version, "version": version})
		}
	})
	if list == nil {
		return nil
	}
	return object{"name": name, "versions": list, "preferredVersion": list[0]}
}

func legacyGroups(all []resource) object {
	var groups []object
	seen := map[string]bool{"": true}
	for _, r := range all {
		if !seen[r.Group] {
			seen[r.Group] = true
			groups = append(groups, legacyGroup(all, r.Group))
		}
	}
	return object{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
}

func legacyResources(all []resource, group, version string) object {
	var rows []object
	for _, r := range all {
		if r.Group != group || r.Version != version {
			continue
		}
		namespaced := r.Scope == "Namespaced"
		row := object{"name": r.Name, "singularName": r.Singular, "namespaced": namespaced, "kind": r.Kind, "verbs": r.Verbs}
		if r.ShortNames != nil {
			row["shortNames"] = r.ShortNames
		}
		rows = append(rows, row)
		for _, s := range r.Subresources {
			rows = append(rows, object{"name": r.Name + "/" + s, "singularName": "", "namespaced": namespaced, "kind": r.Kind, "verbs": []string{"get", "patch", "update"}})
		}
	}
	if rows == nil {
		return nil
	}
	return object{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": strings.TrimPrefix(group+"/"+version, "/"), "resources": rows}
}

// discovery answers /api, /apis, /api/v1, /apis/GROUP and /apis/GROUP/VERSION.
func (s *server) discovery(w *reply, r *http.Request, path []string) {
	s.mu.Lock()
	all, newest := s.resources, s.config.Discovery
	s.mu.Unlock()
	if len(path) == 1 {
		for _, version := range []string{"v2", "v2beta1"} {
			wanted := version == newest || newest == "v2" // "legacy" has neither
			if wanted && strings.Contains(r.Header.Get("Accept"), "v="+version+";as=APIGroupDiscoveryList") {
				s.aggregatedDiscovery(w, r, aggregated(all, path[0] == "api", version), version)
				return
			}
		}
	}
	var doc object
	switch {
	case len(path) == 1 && path[0] == "api":
		doc = object{"kind": "APIVersions", "versions": []string{"v1"}, "serverAddressByClientCIDRs": []object{{"clientCIDR": "0.0.0.0/0", "serverAddress": r.Host}}}
	case len(path) == 1:
		doc = legacyGroups(all)
	case path[0] == "api" && len(path) == 2:
		doc = legacyResources(all, "", path[1])
	case len(path) == 2:
		if doc = legacyGroup(all, path[1]); doc != nil {
			doc["kind"], doc["apiVersion"] = "APIGroup", "v1"
		}
	case len(path) == 3:
		doc = legacyResources(all, path[1], path[2])
	}
	if doc == nil {
		w.plain(http.StatusNotFound, "404 page not found\n")
		return
	}
	w.json(http.StatusOK, doc)
}

func (s *server) aggregatedDiscovery(w *reply, r *http.Request, doc object, version string) {
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	etag := fmt.Sprintf(`"%X"`, sha512.Sum512(text))
	w.Header().Set("Cache-Control", "public")
	w.Header().Set("Vary", "Accept")
	w.Header().Set("Etag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.head(http.StatusNotModified, "")
		return
	}
	w.head(http.StatusOK, "application/json;g=apidiscovery.k8s.io;v="+version+";as=APIGroupDiscoveryList")
	_, _ = w.Write(append(text, '\n'))
}
