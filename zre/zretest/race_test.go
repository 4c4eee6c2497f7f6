//go:build race

package zretest_test

// underRace is true if everything takes ten times as long.
const underRace = true
