package main

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// memory is a hfoauth.SwapStore in the memory of the program.
type memory struct {
	mu      sync.Mutex
	entries map[string]entry
}

type entry struct {
	value  []byte
	expiry time.Time
}

func (m *memory) Find(key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value := m.find(key)
	return value, value != nil, nil
}

// find forgets an entry that has expired. It is called with mu held.
func (m *memory) find(key string) []byte {
	e, ok := m.entries[key]
	if ok && !time.Now().Before(e.expiry) {
		delete(m.entries, key)
		return nil
	}
	return e.value
}

func (m *memory) Commit(key string, value []byte, expiry time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[key] = entry{bytes.Clone(value), expiry}
	return nil
}

func (m *memory) Delete(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, key)
	return nil
}

func (m *memory) SwapCtx(_ context.Context, key string, old, new []byte, expiry time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if current := m.find(key); !bytes.Equal(current, old) || (current == nil) != (old == nil) {
		return false, nil
	}
	if new == nil {
		delete(m.entries, key)
	} else {
		m.entries[key] = entry{bytes.Clone(new), expiry}
	}
	return true, nil
}
