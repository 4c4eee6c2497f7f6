// Package memory has the memory of messages' frames. Most frames are small: many are cut from one [Slab]. Large ones have memory of
// their own.
//
// What is received belongs to the application. If that gives messages back ([Recycle]) their memory is used again; the runtime's way, to
// clear memory and to collect it a hundred times a second, takes a third of the time of a busy receiver of 1 KiB, and most of it with
// 64 KiB. What is sent by a socket is a copy, or given by the application, and used again when all queues have written it ([Lease]).
package memory
