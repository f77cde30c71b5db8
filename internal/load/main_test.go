package main

import "testing"

func TestLoad(t *testing.T) {
	if err := run(200, 5000, 20); err != nil {
		t.Fatal(err)
	}
}
