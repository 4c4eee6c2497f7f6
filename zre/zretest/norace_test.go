//go:build !race

package zretest_test

const underRace = false
