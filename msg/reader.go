package msg

import "encoding/binary"

// reader reads the fields of a header frame in order. After the first failure every
// later field is zero, so that a caller reads all fields and checks err once.
type reader struct {
	id   ID
	rest []byte
	err  error
}

func (r *reader) take(field string, n uint32) []byte {
	if r.err != nil {
		return nil
	}
	if uint64(n) > uint64(len(r.rest)) {
		r.err = malformed(r.id, "%s needs %d bytes, %d are left", field, n, len(r.rest))
		return nil
	}
	taken := r.rest[:n:n] // the capacity ends here too: a caller's append must not reach the next field
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) number1(field string) uint8 {
	if b := r.take(field, 1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) number4(field string) uint32 {
	if b := r.take(field, 4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) string(field string) []byte {
	return r.take(field, uint32(r.number1(field)))
}

func (r *reader) longstr(field string, limit int) []byte {
	n := r.number4(field)
	b := r.take(field, n)
	if len(b) > limit {
		r.err = overLimit(r.id, "%s has %d bytes, limit %d", field, len(b), limit)
	}
	return b
}

// count reads how many items follow, each of which takes at least itemSize octets. It
// refuses a count that the remaining octets cannot hold, before any memory is taken for
// it.
func (r *reader) count(field string, itemSize, limit int) int {
	n := r.number4(field)
	switch {
	case uint64(n) > uint64(len(r.rest)/itemSize):
		r.err = malformed(r.id, "%d %s do not fit in the %d bytes left", n, field, len(r.rest))
		return 0
	case int(n) > limit:
		r.err = overLimit(r.id, "%d %s, limit %d", n, field, limit)
		return 0
	}
	return int(n)
}

// end fails unless every octet was read.
func (r *reader) end() {
	if r.err == nil && len(r.rest) > 0 {
		r.err = malformed(r.id, "%d bytes after the last field", len(r.rest))
	}
}
