// Package stores tests hfoauth with stores of scs on real servers: Redis and
// PostgreSQL, which the tests start on loopback.
package stores
