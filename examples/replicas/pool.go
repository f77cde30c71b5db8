package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// pool is the set of running replicas. As an http.RoundTripper it sends each request
// to the next one.
type pool struct {
	environment []string

	mu       sync.Mutex
	replicas []*replica
	turn     int
}

type replica struct {
	address string
	process *os.Process
}

// startPool keeps n replicas running until ctx ends, and kills one of them at
// every interval if that is not zero.
func startPool(ctx context.Context, n int, environment []string, kill time.Duration) *pool {
	p := &pool{environment: environment}
	for range n {
		go p.keep(ctx)
	}
	if kill > 0 {
		go p.killEvery(ctx, kill)
	}
	return p
}

// keep starts a replica, and restarts it whenever it ends.
func (p *pool) keep(ctx context.Context) {
	for ctx.Err() == nil {
		if err := p.runReplica(ctx); err != nil && ctx.Err() == nil {
			log.Print(err)
		}
	}
}

func (p *pool) runReplica(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, program)
	command.Env, command.Stderr = p.environment, os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	if address, err := bufio.NewReader(stdout).ReadString('\n'); err == nil {
		r := &replica{strings.TrimSpace(address), command.Process}
		p.add(r)
		defer p.remove(r)
	}
	return command.Wait()
}

func (p *pool) add(r *replica) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.replicas = append(p.replicas, r)
}

func (p *pool) remove(gone *replica) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range p.replicas {
		if r == gone {
			p.replicas = append(p.replicas[:i], p.replicas[i+1:]...)
			return
		}
	}
}

// next returns the replicas in turn, or nil while none is running.
func (p *pool) next() *replica {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.replicas) == 0 {
		return nil
	}
	p.turn++
	return p.replicas[p.turn%len(p.replicas)]
}

func (p *pool) killEvery(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if r := p.next(); r != nil {
			fmt.Printf("killing process %d\n", r.process.Pid)
			r.process.Kill()
		}
	}
}

// RoundTrip sends a request to the next replica and, if that died, to another one,
// provided that the request never reached it or may be repeated (RFC 9110 section
// 9.2.2).
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	err := errors.New("no replica is running")
	for range 5 {
		r := p.next()
		if r == nil {
			break
		}
		attempt := req.Clone(req.Context())
		attempt.URL.Host = r.address
		var resp *http.Response
		if resp, err = http.DefaultTransport.RoundTrip(attempt); err == nil {
			return resp, nil
		}
		if req.Context().Err() != nil || !neverSent(err) && req.Method != http.MethodGet && req.Method != http.MethodHead {
			break
		}
	}
	return nil, err
}

func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
