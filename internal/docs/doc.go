// Package docs tests the pages of the project: each program in them is compiled, each command is run in bash and zsh, names, options and figures are
// those of the code, links lead somewhere, and the English keeps to words.txt.
//
// A block of code in a page is fenced, and says its language:
//
//   - go: a whole program is built as a module outside of this one. Anything else is wrapped, and compiled: declarations as they are, statements in a
//     function. Variables that it uses and does not declare are in declared (programs_test.go).
//   - sh: commands, run in order in a private network namespace, where a node named "companion" is in the group CHAT. Nodes that run until they are
//     interrupted run beside what follows, until the section ends. Comments are not allowed: zsh takes none at its prompt.
//   - yaml, json, nft: parsed, as far as this machine can.
//   - text: anything else.
//
// The comment <!-- program: NAME --> before a whole program starts it, too, for the commands that follow. What cannot run here is on the list
// unrunnable (page_test.go), with its reason.
package docs
