package main

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	maxNotes = 100
	maxText  = 500 // characters
)

var (
	errText = errors.New("text is empty or too long")
	errFull = errors.New("too many notes")
)

type note struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// notebooks are the notes of each user, by Sub, oldest first. They last until
// the program ends.
type notebooks struct {
	mu       sync.Mutex
	notes    map[string][]note
	watchers map[chan struct{}]string // whose notes each watches
}

func newNotebooks() *notebooks {
	return &notebooks{notes: map[string][]note{}, watchers: map[chan struct{}]string{}}
}

// watch returns a channel that receives a value when a user's notes have changed.
func (n *notebooks) watch(sub string) (changes <-chan struct{}, unwatch func()) {
	watcher := make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watchers[watcher] = sub
	return watcher, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.watchers, watcher)
	}
}

// changed is called with mu held.
func (n *notebooks) changed(sub string) {
	for watcher, watched := range n.watchers {
		if watched != sub {
			continue
		}
		select {
		case watcher <- struct{}{}:
		default: // it has yet to read the change before
		}
	}
}

// list is never nil, so that it is an array in JSON.
func (n *notebooks) list(sub string) []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]note{}, n.notes[sub]...)
}

func (n *notebooks) add(sub, text string) (note, error) {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > maxText {
		return note{}, errText
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.notes[sub]) >= maxNotes {
		return note{}, errFull
	}
	added := note{rand.Text(), text}
	n.notes[sub] = append(n.notes[sub], added)
	n.changed(sub)
	return added, nil
}

func (n *notebooks) remove(sub, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes[sub] = slices.DeleteFunc(n.notes[sub], func(one note) bool { return one.ID == id })
	n.changed(sub)
}
