package codec

import (
	"math"
	"reflect"
	"testing"
	"time"
)

type name string

type sample struct {
	ID    [4]byte
	Count uint64
	Text  string
	Name  name
	Names []name
	Flags [9]bool
	Time  time.Time
	Inner []sample
}

func (s *sample) fields(c *Coder) {
	c.Version(3)
	c.Array(s.ID[:])
	c.Uint(&s.Count)
	c.String(&s.Text)
	Text(c, &s.Name)
	Texts(c, &s.Names)
	c.Bools(&s.Flags[0], &s.Flags[1], &s.Flags[7])
	c.Time(&s.Time)
	List(c, &s.Inner, func(inner *sample) { inner.fields(c) })
}

var full = sample{
	ID: [4]byte{1, 2, 3, 4}, Count: math.MaxUint64, Text: "text", Name: "name", Names: []name{"a", "", "c"},
	Flags: [9]bool{0: true, 7: true}, Time: time.UnixMilli(1_800_000_000_123).UTC(),
	Inner: []sample{{Text: "inner"}, {}},
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []sample{{}, full} {
		var got sample
		if err := Decode(Encode(0, want.fields), got.fields); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestCutShortOrLong(t *testing.T) {
	encoded := Encode(0, full.fields)
	for i := range encoded {
		if err := Decode(encoded[:i], new(sample).fields); err != ErrLayout {
			t.Errorf("the first %d of %d bytes: got %v, want %v", i, len(encoded), err, ErrLayout)
		}
	}
	if err := Decode(append(encoded, 0), new(sample).fields); err != ErrLayout {
		t.Errorf("a byte too many: got %v, want %v", err, ErrLayout)
	}
}

func TestOtherVersion(t *testing.T) {
	encoded := Encode(0, func(c *Coder) { c.Version(4) })
	if err := Decode(encoded, func(c *Coder) { c.Version(3) }); err != ErrLayout {
		t.Errorf("got %v, want %v", err, ErrLayout)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(0, full.fields))
	f.Add([]byte{3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		var s sample
		if Decode(in, s.fields) != nil {
			return
		}
		var again sample
		if err := Decode(Encode(0, s.fields), again.fields); err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%+v became %+v, %v", s, again, err)
		}
	})
}
