// Package bridge joins Volvo's cloud and Home Assistant: one table says which
// entity is made from which reading and which word on a topic is which command;
// one loop owns all state, publishes it, and runs commands.
//
// The way of a value: a poller reads a resource, the loop keeps the readings in
// the car's snapshot, each row of the table converts its own, the document goes
// out if something in it changed.
//
// The way of a command: the broker's callback only enqueues, the loop refuses or
// starts it, a goroutine of its own writes the journal and sends the POST once,
// the answer goes to the status topic, and the car's own state confirms it.
package bridge
