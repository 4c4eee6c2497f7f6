// Package libzmq has sockets that behave like libzmq's, where a ZRE node of ours behaves differently: a [Mailbox] is a DEALER, an [Inbox]
// is a ROUTER. They are for models of other implementations, all of which use libzmq, and speak ZMTP by internal/zmtp. Nothing else should
// use them: they lose messages silently.
//
// In one thing they differ: internal/zmtp asks TCP to probe idle connections (keepalive), libzmq does not.
//
// The source is libzmq's session_base.cpp, stream_connecter_base.cpp and router.cpp at 4.3.6.
package libzmq
