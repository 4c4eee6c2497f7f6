// Package faultmatrix has only tests: three nodes, each in its own process on its own host, one of them behind a bad cable, with every kind of
// load and every kind of end (see package testbed). docs/reliability.md has the results.
package faultmatrix
