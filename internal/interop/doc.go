// Package interop has only tests: this implementation of ZRE against the others, and against itself, as processes on private networks (see
// package testbed). `make peers` installs the others; a test that lacks one says so. The table traitsOf lists what each of them cannot do,
// or does differently.
package interop
