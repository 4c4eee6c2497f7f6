//go:build !linux && !darwin && !freebsd

package ipc

import (
	"errors"
	"testing"

	"github.com/google/uuid"
)

func TestUnsupported(t *testing.T) {
	if l, err := Default().Listen(uuid.New()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Listen: %v, %v", l, err)
	}
	conn, err := Default().Dial(t.Context(), uuid.New())
	if !errors.Is(err, ErrAbsent) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Dial: %v, %v", conn, err)
	}
}
