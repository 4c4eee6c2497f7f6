// Package memory provides the memory of messages' frames. Most frames are small: many are cut from one [Slab]. Large ones have memory of
// their own, a piece.
//
// What is received belongs to the application. If the application gives messages back ([Recycle]), their memory is reused. The runtime
// would clear new memory and collect it a hundred times a second, which takes a third of the time of a busy receiver of 1 KiB messages, and
// most of it with 64 KiB. What is sent by a socket is a copy, or given by the application, and is reused when all queues have written it
// ([Lease]).
//
// A mistake of the application does not reach the messages of others. What is given back or away is taken out of the caller's list. A piece
// ends with a mark of its address and its owner (piece.go), so that each piece goes to a shelf once, and no other memory does. A slab
// counts its lives, so that an old message cannot reach a new one. The remaining mistake, an alias that is used after all, shows with the
// race detector or the build tag zrepoison: then memory that is given back is overwritten (poison.go).
package memory
