//go:build race || zrepoison

package memory

// poisons says whether memory that was given back is overwritten: with the race detector, and with the build tag zrepoison.
const poisons = true
