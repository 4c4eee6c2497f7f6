//go:build !amd64

package salsa

func xorTogether(_, _ []byte, _ *[16]byte, _ *[32]byte) int { return 0 }
