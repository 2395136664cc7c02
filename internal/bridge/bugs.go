package bridge

// Bugs that a build with the tag seeded has, to show that the checker of `make chaos` finds them: the one whose number is in
// AGENTBRIDGE_SEEDED_BUG, on every few occasions. No other build has any of them, nor reads the variable; a test looks for it in the binary.
const (
	BugAnswerBeforeCommit = iota + 1 // an update is answered, and its commit fails afterwards
	bugNotDelivered                  // a batch is handed out, and its deliveries stay as they were
	bugSameToken                     // a lease gets the token of the one before
	bugNoEntry                       // something is done without its entry
	bugEntryAlone                    // a send that is refused leaves its entry
	bugAckForgotten                  // an ack is answered and logged, and the deliveries come back
	bugOrderSwapped                  // the first two messages of a batch change places
	bugTwoHolders                    // a task that is claimed can be claimed by the next as well
	bugLeafAltered                   // an entry is stored with other words than were hashed
	bugWakeLost                      // who waits for messages is not woken
)
