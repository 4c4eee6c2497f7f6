// Package election finds the leader of a group: of the members that contest, the one with the lowest UUID. It is a state machine for
// one group as one node sees it; it knows no sockets and no clock, and tells what to send.
//
// # Among nodes of ours
//
// A contestant tells each member that it contests, once, as soon as it sees that member: ELECT with its own UUID. Who contests is then known as who
// is a member is, and each member takes the lowest by itself. Nothing is voted on and nothing is counted, so nothing is lost
// when members come, leave, crash, or meet again: what a member knows of another ends with that one's leave or exit, and is told anew when the two
// meet anew. A node names another at once, and itself a second later: by then it has met those that are there.
//
// # With C zyre
//
// C zyre elects by a wave. A challenger sends ELECT with its own UUID to all members. A member takes the lowest challenger that it has heard of, passes
// that on to the others, and, when it has heard the same from all of them, to the one it had it from. The challenger that
// has heard itself from all sends LEADER, which each passes on to all once; who has heard LEADER from all has a leader. A wave
// that misses one message never ends.
//
// So a node of ours answers each C zyre node as a member of its wave would. It does not wait for others before it answers, since it knows the
// contestants: the answer is always ELECT with the lowest. A node that begins anew (which an ELECT with its own UUID shows, or one after
// its LEADER, or one with a higher UUID than before) has forgotten what it was answered, and is answered again. LEADER goes to it where C zyre would send one.
// Only what a node says of itself is believed: an ELECT with another's UUID makes nobody a contestant.
//
// Elections of C zyre's own hang in many runs. With nodes of ours among them fewer do: in how many of 2,000 runs with models of three of C zyre's nodes that
// contest, all of them named the lowest contestant in the end (TestWithZyre, -election.runs=20000):
//
//	                    alone   1 of ours, which contests   3
//	all start            1101                        1641   1668
//	the leader crashes   1022                        1221   1490
//	another one starts    833                        1488   1538
//
// ELECT and LEADER go to nodes of ours, and to foreign members that have sent one of the two themselves: pyre and zyre.js drop a peer that sends
// them, and gyre dies.
package election
