package main

import (
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	if err := run(200, 5000, 20); err != nil {
		t.Fatal(err)
	}
}

func TestBearerLoad(t *testing.T) {
	if err := (bearerLoad{tokens: 50, rate: 1000, duration: time.Second}).run(); err != nil {
		t.Fatal(err)
	}
}
