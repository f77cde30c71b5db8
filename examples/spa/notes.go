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
	mu    sync.Mutex
	notes map[string][]note
}

func newNotebooks() *notebooks { return &notebooks{notes: map[string][]note{}} }

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
	return added, nil
}

func (n *notebooks) remove(sub, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes[sub] = slices.DeleteFunc(n.notes[sub], func(one note) bool { return one.ID == id })
}
