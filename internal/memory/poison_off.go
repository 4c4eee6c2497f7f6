//go:build !race && !zrepoison

package memory

const poisons = false
