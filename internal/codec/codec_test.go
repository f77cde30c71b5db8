package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample has a field of every kind that Coder supports.
type sample struct {
	number  uint64
	text    string
	array   [4]byte
	flags   [8]bool
	when    time.Time
	names   []name
	records []record
	last    string
}

type (
	name   string
	record struct{ a, b string }
)

func (s *sample) fields(c *Coder) {
	c.Version(7)
	c.Uint(&s.number)
	c.String(&s.text)
	c.Array(s.array[:])
	flags := make([]*bool, len(s.flags))
	for i := range flags {
		flags[i] = &s.flags[i]
	}
	c.Bools(flags...)
	c.Time(&s.when)
	Texts(c, &s.names)
	List(c, &s.records, func(r *record) { c.String(&r.a); c.String(&r.b) })
	c.String(&s.last)
}

func fullSample() sample {
	return sample{
		number: 1 << 40, text: "text", array: [4]byte{1, 2, 3, 4},
		flags: [8]bool{true, false, true, true, false, false, false, true},
		when:  time.UnixMilli(1_772_366_400_123).UTC(), names: []name{"openid", "", "profile"},
		records: []record{{"a", "b"}, {"", "c"}}, last: "last",
	}
}

func TestEncodingKeepsValues(t *testing.T) {
	for name, want := range map[string]sample{
		"zero":            {},
		"full":            fullSample(),
		"largest number":  {number: math.MaxUint64},
		"one byte":        {number: 127},
		"two bytes":       {number: 128},
		"long text":       {text: strings.Repeat("x", 100_000), last: "y"},
		"bytes of a text": {text: "\x00\xff\xc3\x28"},
		"a flag":          {flags: [8]bool{5: true}},
		"the last flag":   {flags: [8]bool{7: true}},
		"a millisecond":   {when: time.UnixMilli(1).UTC()},
		"an empty record": {records: []record{{}}},
	} {
		encoded := Encode(16, want.fields)
		// Decode must overwrite the fields of a value that is not empty.
		got := fullSample()
		got.names, got.records = append(got.names, "x"), append(got.records, record{"x", "x"})
		if err := Decode(encoded, got.fields); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read %+v, want %+v", name, got, want)
		}
	}
}

// Encoding does not modify a value, which may be shared.
func TestEncodingOnlyReads(t *testing.T) {
	s := fullSample()
	Encode(16, s.fields)
	if !reflect.DeepEqual(s, fullSample()) {
		t.Errorf("encoding changed the value to %+v", s)
	}
}

func TestEncodingOfTimes(t *testing.T) {
	for name, tt := range map[string]struct{ in, want time.Time }{
		"zero":           {time.Time{}, time.Time{}},
		"another zone":   {time.UnixMilli(5000).In(time.FixedZone("x", 3600)), time.UnixMilli(5000).UTC()},
		"nanoseconds":    {time.Unix(5, 1_999_999).UTC(), time.UnixMilli(5001).UTC()},
		"before 1970":    {time.Unix(-5, 0), time.Time{}},
		"the year 10000": {time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		encoded := Encode(16, (&sample{when: tt.in}).fields)
		var got sample
		if err := Decode(encoded, got.fields); err != nil || !got.when.Equal(tt.want) {
			t.Errorf("%s: read %s (%v), want %s", name, got.when, err, tt.want)
		}
	}
}

// Bytes that are truncated, too long or of another version do not decode.
func TestEncodingOfOtherVersions(t *testing.T) {
	s := fullSample()
	encoded := Encode(16, s.fields)
	for n := range encoded {
		if err := Decode(encoded[:n], new(sample).fields); !errors.Is(err, ErrLayout) {
			t.Errorf("the first %d of %d bytes: %v, want ErrLayout", n, len(encoded), err)
		}
	}
	for name, b := range map[string][]byte{
		"a byte more":             append(bytes.Clone(encoded), 0),
		"another version":         append([]byte{8}, encoded[1:]...),
		"a number without an end": append([]byte{7}, bytes.Repeat([]byte{0x80}, 20)...),
		"a time past 2^63": slices.Concat(
			[]byte{7, 0, 0, 1, 2, 3, 4, 0}, binary.AppendUvarint(nil, 1<<63), []byte{0, 0, 0}),
		"a length of 2^63":      append([]byte{7, 0}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"a length past the end": {7, 0, 200, 1, 'x'},
	} {
		if err := Decode(b, new(sample).fields); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v, want ErrLayout", name, err)
		}
	}
}

// A list that claims more elements than there are bytes allocates nothing.
func TestEncodingOfHugeLists(t *testing.T) {
	calls := 0
	var records []record
	encoded := Encode(16, func(c *Coder) {
		n := uint64(1 << 30)
		c.Uint(&n)
	})
	err := Decode(encoded, func(c *Coder) {
		List(c, &records, func(*record) { calls++ })
	})
	if !errors.Is(err, ErrLayout) {
		t.Errorf("error %v, want %v", err, ErrLayout)
	}
	if calls > 0 {
		t.Errorf("%d elements were decoded, want none", calls)
	}
	if cap(records) > 0 {
		t.Errorf("there is room for %d elements, want none", cap(records))
	}
}

// Decoding never panics, and a decoded value stays the same when it is encoded
// and decoded again.
func FuzzDecode(f *testing.F) {
	for _, s := range []sample{{}, fullSample(), {number: math.MaxUint64, text: "x"}} {
		f.Add(Encode(16, s.fields))
	}
	f.Add([]byte{7, 0x80, 0x80, 0})
	f.Add(slices.Concat([]byte{7, 0, 0, 1, 2, 3, 4, 0}, binary.AppendUvarint(nil, 1<<63), []byte{0, 0, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var first, second sample
		if Decode(b, first.fields) != nil {
			return
		}
		if err := Decode(Encode(16, first.fields), second.fields); err != nil || !reflect.DeepEqual(first, second) {
			t.Errorf("%x decodes as %+v, after encoding again as %+v (%v)", b, first, second, err)
		}
	})
}

// A value that is truncated in the middle is an error, and nothing after it is
// decoded.
func TestCutOff(t *testing.T) {
	var array [4]byte
	var text string
	if err := Decode([]byte{1, 2}, func(c *Coder) { c.Array(array[:]); c.String(&text) }); err != ErrLayout {
		t.Errorf("half an array: %v, want %v", err, ErrLayout)
	}
	if err := Decode([]byte{1, 2}, func(c *Coder) { c.Array(array[:]) }); err != ErrLayout {
		t.Errorf("half an array at the end: %v, want %v", err, ErrLayout)
	}
	if array != [4]byte{} {
		t.Errorf("half an array was decoded: %v", array)
	}
	number, after := uint64(7), uint64(7)
	long := bytes.Repeat([]byte{0x80}, 10)
	if err := Decode(append(long, 1, 5), func(c *Coder) { c.Uint(&number); c.Uint(&after) }); err != ErrLayout {
		t.Errorf("a number of eleven bytes: %v, want %v", err, ErrLayout)
	}
	if number != 7 || after != 7 {
		t.Errorf("after a failure %d and %d were decoded, want 7 and 7", number, after)
	}
}
