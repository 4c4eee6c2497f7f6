// Package interop has tests alone: this implementation of ZRE against the others, and against itself, as processes on
// private networks (see package testbed). `make peers` installs the others; a test that lacks one says so. What each of
// them cannot do, or does differently, is in the table traitsOf.
package interop
