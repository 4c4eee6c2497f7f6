// Package docs tests the pages of the project. Each program in them is compiled, and each command runs in bash and zsh. Names, options and
// figures match the code, links lead somewhere, and the English keeps to words.txt.
//
// A block of code in a page is fenced and names its language:
//
//   - go: a whole program is built in a separate module. Anything else is wrapped and compiled: declarations as they are, statements in a
//     function. Variables that it uses without declaring them are in declared (programs_test.go).
//   - sh: commands, run in order in a private network namespace, where a node named "companion" is in the group CHAT. Nodes that run until they
//     are interrupted run in the background until their block ends, or on the pages in continuousPages (commands_linux_test.go) until the page ends. Comments are not allowed: zsh accepts none at its prompt.
//   - yaml, json, nft: parsed, as far as this machine can.
//   - text: anything else.
//
// The comment <!-- program: NAME --> before a whole program also starts it for the commands that follow. The list unrunnable (page_test.go) names
// what cannot run here, with the reasons.
package docs
