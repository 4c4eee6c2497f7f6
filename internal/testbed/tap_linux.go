package testbed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tap is a network interface whose Ethernet frames are read and written here: what the kernel sends on it can be read, and the kernel
// receives what is written. Unlike a veth it has no offloads, so every frame is whole and has its checksum.
type tap struct{ *os.File }

// newTap makes an interface in the namespace of the process. It vanishes when it is closed.
func newTap(name string) (tap, error) {
	fd, err := openTun("/dev/net/tun")
	if errors.Is(err, fs.ErrNotExist) { // a bare container; this process may still be allowed to make it
		own := filepath.Join(scratch, "tun")
		_ = unix.Mknod(own, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 200)))
		fd, err = openTun(own)
	}
	if err != nil {
		return tap{}, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return tap{}, fmt.Errorf("making the tap device %s: %w", name, err)
	}
	return tap{os.NewFile(uintptr(fd), name)}, nil
}

func openTun(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// carrier switches what the kernel takes for the presence of a cable.
func (d tap) carrier(on bool) error {
	value := 0
	if on {
		value = 1
	}
	conn, err := d.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = conn.Control(func(fd uintptr) {
		failure = unix.IoctlSetPointerInt(int(fd), unix.TUNSETCARRIER, value)
	})
	return errors.Join(err, failure)
}
