package simulation

import "time"

// dice makes decisions from the seed and the name of each decision, so that they
// do not depend on one another.
type dice struct{ seed uint64 }

// roll returns 64 random bits for a name (FNV-1a, then the finalizer of
// SplitMix64).
func (d dice) roll(name string) uint64 {
	h := d.seed*0x9e3779b97f4a7c15 ^ 0xcbf29ce484222325
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// fraction returns a number from 0 to 1.
func (d dice) fraction(name string) float64 { return float64(d.roll(name)>>11) / (1 << 53) }

// chance reports whether something of probability p happens.
func (d dice) chance(p float64, name string) bool { return d.fraction(name) < p }

// below returns a number from 0 to n-1.
func (d dice) below(n int, name string) int { return int(d.roll(name) % uint64(n)) }

// between returns a duration that is never a whole number of milliseconds, so
// that no two things happen at the same instant.
func (d dice) between(low, high time.Duration, name string) time.Duration {
	return low + time.Duration(d.fraction(name)*float64(high-low)) + time.Duration(d.roll(name+"~")%999_983)
}

// one returns one of several values. A value that is listed twice is twice as
// likely.
func one[T any](d dice, name string, values ...T) T { return values[d.below(len(values), name)] }
