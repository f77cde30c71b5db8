// Package stores tests hfoauth with our stores and those of scs on real
// servers: Redis, PostgreSQL and MariaDB, which the tests start on loopback,
// and SQLite.
package stores
