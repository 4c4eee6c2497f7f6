package traffic

import "testing"

func TestTable(t *testing.T) {
	var a, b Table
	a[TCP].Note(false, 3)
	a[TCP].Note(true, 4)
	b[TCP].Note(true, 0)
	b[Inproc].Note(false, 5)
	a.Add(b)
	want := Table{TCP: {Whispers: 1, Shouts: 2, Octets: 7}, Inproc: {Whispers: 1, Octets: 5}}
	if a != want {
		t.Errorf("table %+v, want %+v", a, want)
	}
	if got, want := a.Sum(), (Count{Whispers: 2, Shouts: 2, Octets: 12}); got != want {
		t.Errorf("sum %+v, want %+v", got, want)
	}
}
