// Package codec encodes values as bytes and decodes them. One method of a type
// lists its fields for both directions.
package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// ErrLayout means that bytes do not have the expected layout: another version
// of the program wrote them.
var ErrLayout = errors.New("codec: value was written by another version")

// Coder encodes or decodes fields in the order of its method calls. Encoding
// does not modify the values, so they may be shared. Decoded strings share one
// copy of the input.
type Coder struct {
	reading bool
	in      string
	out     []byte
	failed  bool
}

// Encode returns the encoded fields; size is the initial capacity in bytes.
func Encode(size int, fields func(*Coder)) []byte {
	c := &Coder{out: make([]byte, 0, size)}
	fields(c)
	return c.out
}

// Decode sets the fields from in. It returns ErrLayout unless they use all of in.
func Decode(in []byte, fields func(*Coder)) error {
	c := &Coder{reading: true, in: string(in)}
	fields(c)
	if c.failed || c.in != "" {
		return ErrLayout
	}
	return nil
}

// Reading reports whether c decodes.
func (c *Coder) Reading() bool { return c.reading }

// Fail makes Decode return ErrLayout.
func (c *Coder) Fail() { c.failed = true }

// Version codes the version of the layout; a value of another one does not decode.
func (c *Coder) Version(version uint64) {
	got := version
	c.Uint(&got)
	if got != version {
		c.Fail()
	}
}

// Uint codes a number as a varint.
func (c *Coder) Uint(v *uint64) {
	if !c.reading {
		c.out = binary.AppendUvarint(c.out, *v)
		return
	}
	var result uint64
	for i := 0; i < len(c.in) && i < binary.MaxVarintLen64; i++ {
		b := c.in[i]
		result |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			c.in = c.in[i+1:]
			*v = result
			return
		}
	}
	c.Fail()
}

// length codes the number of elements that follow, each at least one byte long.
func (c *Coder) length(n int) int {
	v := uint64(n)
	c.Uint(&v)
	if c.failed || v > uint64(len(c.in)) && c.reading {
		c.Fail()
		return 0
	}
	return int(v)
}

// String codes a string.
func (c *Coder) String(v *string) {
	n := c.length(len(*v))
	if !c.reading {
		c.out = append(c.out, *v...)
		return
	}
	*v, c.in = c.in[:n], c.in[n:]
}

// Array codes a fixed number of bytes.
func (c *Coder) Array(v []byte) {
	if !c.reading {
		c.out = append(c.out, v...)
		return
	}
	if len(c.in) < len(v) {
		c.Fail()
		return
	}
	copy(v, c.in)
	c.in = c.in[len(v):]
}

// Bools codes up to 64 flags, seven to a byte.
func (c *Coder) Bools(flags ...*bool) {
	var bits uint64
	for i, flag := range flags {
		if *flag {
			bits |= 1 << i
		}
	}
	c.Uint(&bits)
	if !c.reading {
		return
	}
	for i, flag := range flags {
		*flag = bits&(1<<i) != 0
	}
}

// Time codes a time in milliseconds; times before 1970 become the zero time.
func (c *Coder) Time(v *time.Time) {
	var milliseconds uint64
	if !v.IsZero() {
		milliseconds = uint64(max(v.UnixMilli(), 0))
	}
	c.Uint(&milliseconds)
	if milliseconds > math.MaxInt64 { // which would be a time before 1970
		c.Fail()
		return
	}
	if c.reading {
		*v = time.Time{}
		if milliseconds != 0 {
			*v = time.UnixMilli(int64(milliseconds)).UTC()
		}
	}
}

// Text codes a string of any type.
func Text[S ~string](c *Coder, v *S) {
	text := string(*v)
	c.String(&text)
	if c.reading {
		*v = S(text)
	}
}

// Texts codes a list of strings of any type.
func Texts[S ~string](c *Coder, v *[]S) {
	List(c, v, func(s *S) { Text(c, s) })
}

// List codes a list element by element; an empty one decodes as nil.
func List[T any](c *Coder, v *[]T, element func(*T)) {
	n := c.length(len(*v))
	if c.reading {
		*v = nil
		if n > 0 {
			*v = make([]T, n)
		}
	}
	for i := range *v {
		element(&(*v)[i])
	}
}
