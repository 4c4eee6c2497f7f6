// Package faults has tests alone: three nodes, each a process of its own on a host of its own, one of them behind a bad cable, at
// every kind of load and with every kind of end (see package testbed). docs/reliability.md tells what came of it.
package faults
