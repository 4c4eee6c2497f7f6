// Package eventqueue is the queue of events between a node and its application. Readers of connections and the control loop append events;
// the application takes all that is pending at once.
//
// Each session has a [Stream]: its Enter, then any other events, then its Exit, and nothing after that. Events of all streams are taken in
// the order in which they were appended.
//
// [AutoState] derives from samples of the queue ([Queue.Activity]) what the node is doing.
package eventqueue
