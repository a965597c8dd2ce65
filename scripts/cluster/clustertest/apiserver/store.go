package apiserver

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// key names an object. The namespace of a cluster-wide one is empty.
type key struct{ resource, namespace, name string }

// change is one step in the life of an object.
type change struct {
	key
	version int
	kind    watch.EventType
	object  Object
}

// store holds all objects and every change that was ever made, which is what a watch reads. Objects go in and out as copies.
type store struct {
	mu      sync.Mutex
	version int
	objects map[key]Object
	changes []change
	changed chan struct{} // closed and replaced at each change
}

func newStore() *store {
	return &store{objects: map[key]Object{}, changed: make(chan struct{})}
}

// get returns an object, or nil.
func (st *store) get(k key) Object {
	st.mu.Lock()
	defer st.mu.Unlock()
	return clone(st.objects[k])
}

// list returns the objects that keep accepts, sorted by namespace and name, and the version of the store. An empty namespace means all.
func (st *store) list(resource, namespace string, keep func(Object) bool) ([]Object, int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	order := func(a, b key) int { return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name)) }
	found := []Object{}
	for _, k := range slices.SortedFunc(maps.Keys(st.objects), order) {
		if k.resource == resource && (namespace == "" || k.namespace == namespace) && keep(st.objects[k]) {
			found = append(found, clone(st.objects[k]))
		}
	}
	return found, st.version
}

// create adds an object. It returns nil where one of that name exists.
func (st *store) create(k key, object Object) Object {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.objects[k] != nil {
		return nil
	}
	object = clone(object)
	object.SetUID(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", st.version+1)))
	object.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	return st.record(k, watch.Added, object)
}

// update replaces an object by what edit makes of it. It returns nil where there is none, and changes nothing where edit fails.
func (st *store) update(k key, edit func(Object) (Object, error)) (Object, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	old := st.objects[k]
	if old == nil {
		return nil, nil
	}
	edited, err := edit(clone(old))
	if err != nil || reflect.DeepEqual(old, edited) {
		return clone(old), err
	}
	return st.record(k, watch.Modified, edited), nil
}

// remove deletes an object and returns it, or nil where there was none.
func (st *store) remove(k key) Object {
	st.mu.Lock()
	defer st.mu.Unlock()
	old := st.objects[k]
	if old == nil {
		return nil
	}
	return st.record(k, watch.Deleted, clone(old))
}

// now returns the version of the store.
func (st *store) now() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.version
}

// record notes a change under the lock and wakes the watches.
func (st *store) record(k key, kind watch.EventType, object Object) Object {
	st.version++
	object.SetResourceVersion(strconv.Itoa(st.version))
	if kind == watch.Deleted {
		delete(st.objects, k)
	} else {
		st.objects[k] = object
	}
	st.changes = append(st.changes, change{k, st.version, kind, clone(object)})
	close(st.changed)
	st.changed = make(chan struct{})
	return clone(object)
}

// since returns the changes after a version, the version now, and a channel that is closed at the next change.
func (st *store) since(version int, resource, namespace string) ([]change, int, <-chan struct{}) {
	st.mu.Lock()
	defer st.mu.Unlock()
	var news []change
	for _, c := range st.changes {
		if c.version > version && c.resource == resource && (namespace == "" || c.namespace == namespace) {
			news = append(news, c)
		}
	}
	return news, st.version, st.changed
}

func clone(object Object) Object {
	if object == nil {
		return nil
	}
	return object.DeepCopyObject().(Object)
}

func sameType(a, b Object) bool { return reflect.TypeOf(a) == reflect.TypeOf(b) }
