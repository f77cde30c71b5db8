package hfoauth

import (
	"encoding/binary"
	"errors"
	"time"
)

// errEncoding says that sealed bytes do not hold what they should: they were
// written by another version of this package.
var errEncoding = errors.New("hfoauth: value was written by another version")

// coder writes values to bytes and reads them back, in the order in which its
// methods are called: a type has one method that names its fields, and that
// serves both directions. Writing leaves the values alone, which may be
// shared. Strings that are read share the memory of in.
type coder struct {
	reading bool
	in      string
	out     []byte
	failed  bool
}

// encode writes values, of about so many bytes.
func encode(size int, fields func(*coder)) []byte {
	c := &coder{out: make([]byte, 0, size)}
	fields(c)
	return c.out
}

func decode(in []byte, fields func(*coder)) error {
	c := &coder{reading: true, in: string(in)}
	fields(c)
	if c.failed || c.in != "" {
		return errEncoding
	}
	return nil
}

// version guards the layout: a value of another version does not decode.
func (c *coder) version(version uint64) {
	got := version
	c.uint(&got)
	if got != version {
		c.failed = true
	}
}

func (c *coder) uint(v *uint64) {
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
	c.fail()
}

// length codes the length of what follows, of which each element takes at
// least one byte.
func (c *coder) length(n int) int {
	v := uint64(n)
	c.uint(&v)
	if c.failed || v > uint64(len(c.in)) && c.reading {
		c.fail()
		return 0
	}
	return int(v)
}

func (c *coder) fail() {
	c.failed = true
	c.in = ""
}

func (c *coder) string(v *string) {
	n := c.length(len(*v))
	if !c.reading {
		c.out = append(c.out, *v...)
		return
	}
	*v, c.in = c.in[:n], c.in[n:]
}

// bytes codes an array in full.
func (c *coder) bytes(v []byte) {
	if !c.reading {
		c.out = append(c.out, v...)
		return
	}
	if len(c.in) < len(v) {
		c.fail()
		return
	}
	copy(v, c.in)
	c.in = c.in[len(v):]
}

// bools codes up to eight of them in a byte.
func (c *coder) bools(flags ...*bool) {
	var bits uint64
	for i, flag := range flags {
		if *flag {
			bits |= 1 << i
		}
	}
	c.uint(&bits)
	if !c.reading {
		return
	}
	for i, flag := range flags {
		*flag = bits&(1<<i) != 0
	}
}

// time codes milliseconds; the zero time stays zero.
func (c *coder) time(v *time.Time) {
	var milliseconds uint64
	if !v.IsZero() {
		milliseconds = uint64(max(v.UnixMilli(), 0))
	}
	c.uint(&milliseconds)
	if c.reading {
		*v = time.Time{}
		if milliseconds != 0 {
			*v = time.UnixMilli(int64(milliseconds)).UTC()
		}
	}
}

// stringsOf codes a list of strings of any type.
func stringsOf[S ~string](c *coder, v *[]S) {
	list(c, v, func(s *S) {
		text := string(*s)
		c.string(&text)
		if c.reading {
			*s = S(text)
		}
	})
}

// list codes a list element by element; an empty one is read as nil.
func list[T any](c *coder, v *[]T, element func(*T)) {
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
