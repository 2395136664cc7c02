package workload

import "time"

// ProtocolName names the protocol and its edition. What is done or what passes never changes under one name.
const ProtocolName = "agentbridge-validate/1"

// Fold says how the observations of a series become one figure.
type Fold string

// The folds. All of nothing is zero, and passes nowhere: see [Measure.Least].
const (
	Sum     Fold = "sum"
	Count   Fold = "count"
	Mean    Fold = "mean"
	Half    Fold = "p50" // as [Sample.At]
	Most    Fold = "max"
	Percent Fold = "share" // of observations that are 1, in percent
)

// Measure is one figure of a row: a series of observations, folded, against a target.
type Measure struct {
	Series string  `json:"series"`
	Says   string  `json:"says"`
	Fold   Fold    `json:"fold"`
	Unit   string  `json:"unit,omitempty"` // ms or %; empty: a number
	Op     string  `json:"op,omitempty"`   // <, <=, = or >=; empty: it is told and judges nothing
	Target float64 `json:"target"`         // uncompressed
	Timed  bool    `json:"timed"`          // the target, like the deployment's timers, is divided by the compression
	Least  int     `json:"least"`          // fewer observations do not pass
	// What the seed published: its target, and what it measured. Empty: nothing.
	SeedTarget string `json:"seed_target,omitempty"`
	SeedResult string `json:"seed_result,omitempty"`
}

// Row is one row of the protocol.
type Row struct {
	ID       string
	Title    string
	Done     string // what is done, as an instruction
	Measures []Measure
}

const (
	minute   = float64(time.Minute / time.Millisecond)
	crewSize = 8 // workers of the crew, as in the seed's test
)

// none is a measure of what must not happen.
func none(series, says string, least int) Measure {
	return Measure{Series: series, Says: says, Fold: Sum, Op: "=", Least: least}
}

// all is a measure of what must always happen.
func all(series, says string, least int) Measure {
	return Measure{Series: series, Says: says, Fold: Percent, Unit: "%", Op: "=", Target: 100, Least: least}
}

// beside adds what the seed published.
func (m Measure) beside(target, result string) Measure {
	m.SeedTarget, m.SeedResult = target, result
	return m
}

func within(series, says string, fold Fold, target float64, least int) Measure {
	return Measure{Series: series, Says: says, Fold: fold, Unit: "ms", Op: "<", Target: target, Least: least}
}

// timed is within where the deployment's timers decide.
func timed(series, says string, target float64, least int) Measure {
	m := within(series, says, Most, target, least)
	m.Timed = true
	return m
}

// Protocol is all rows, in the order of the report: what every deployment does all day, then the seed's tests 9 to 13.
func Protocol() []Row {
	return []Row{
		{"create", "Create a conversation", "An orchestrator creates a conversation and invites 8 workers.", []Measure{
			within("create_ms", "until the invites are there", Most, 5000, 1),
			{Series: "invites", Says: "invites", Fold: Sum, Op: "=", Target: crewSize, Least: 1},
		}},
		{"join", "Join it", "Each of the 8 workers, a client with a process of its own, joins with its code. Then each code is tried again by an agent that was not invited.", []Measure{
			within("join_ms", "slowest join", Most, 5000, crewSize),
			{Series: "joined", Says: "agents in the conversation", Fold: Sum, Op: "=", Target: crewSize + 1, Least: 1, SeedTarget: "9 agents", SeedResult: "9"},
			none("used_again", "codes that let in a second one", crewSize),
		}},
		{"authenticate", "Authenticate", "Ten calls with a genuine token, and 24 with one that is not: each of its parts changed, cut, lengthened, empty of its tag, of another store, and one that was revoked.", []Measure{
			none("refused_genuine", "genuine tokens refused", 10),
			none("admitted", "others let in", 24).beside("0", "0 unauthorised in 482 operations"),
		}},
		{"send", "Send", "The orchestrator sends 120 messages to the workers in turn while each worker sends it 5, and all read.", []Measure{
			within("send_ms", "mean until it is stored on disk", Mean, 100, 160).beside("< 100 ms", "1.7 ms"),
			{Series: "send_ms", Says: "slowest", Fold: Most, Unit: "ms"},
			all("arrived", "arrived", 160).beside("100 %", "100 %"),
			none("doubled", "came twice", 160).beside("0", "0"),
			none("disordered", "came out of order", 160).beside("0", "0"),
		}},
		{"redact", "Redact", "350 messages, each with an invented secret of one of 7 shapes. What the recipients read, and every file of the deployment that is the run's own, is searched for 8 characters of any of them, in 7 encodings.", []Measure{
			all("masked", "masked for the recipient", 350).beside("all", "350+ messages"),
			none("leaked", "places with a piece of a secret", 350).beside("0", "0"),
		}},
		{"limit", "Limit and its reset", "Under the seed's limits (10 messages a minute) an agent sends 13 messages at once, waits for as long as the refusal says, and sends again.", []Measure{
			{Series: "accepted", Says: "messages taken at once", Fold: Sum, Op: "=", Target: 10, Least: 13, SeedTarget: "10 a minute", SeedResult: "enforced"},
			none("unsaid", "refusals that do not say when to come back", 3),
			within("reset_ms", "from the first refusal until one is taken again", Most, minute+5000, 1).beside("automatic", "after the window"),
			all("after", "taken when the refusal said so", 1),
		}},
		{"reads", "Concurrent reads", "Nine agents list the tasks, 50 times each and all at once, while the orchestrator adds 40. A read must hold every task that was answered before it began, whole and once.", []Measure{
			{Series: "read_ms", Says: "reads", Fold: Count, Op: ">=", Target: 450, Least: 450, SeedTarget: "–", SeedResult: "435"},
			none("anomalies", "reads that lack or double one", 450).beside("0", "0"),
			{Series: "read_ms", Says: "median", Fold: Half, Unit: "ms"},
		}},
		{"status", "Status", "Each worker says a status and a note; the orchestrator looks at once.", []Measure{
			all("seen", "seen as said", crewSize),
			within("status_ms", "slowest, from the call until it was seen", Most, 5000, crewSize),
		}},
		{"9", "Idle session recovery", "Two workers hold a task. One's process is killed; the other's lives, and its client calls nothing. A spare waits for work. The orchestrator asks who is idle, and assigns that one's task to the spare. At last the idle one completes its task, too late.", []Measure{
			timed("idle_ms", "from its last call until it is told as idle", 5*minute, 1).beside("< 5 min", "< 3 min"),
			timed("handed_ms", "from there until the spare holds its task", minute, 1).beside("< 60 s", "< 45 s"),
			timed("moved_ms", "from the kill until the spare holds the other, by itself", minute, 1).beside("< 60 s", "< 45 s"),
			all("late", "late completions refused", 1),
		}},
		{"10", "Credential sync across machines", "A hub's machine and a worker's share nothing but a bare git repository. Three invites are pushed; the worker's machine watches, and joins by itself. Then they talk.", []Measure{
			within("sync_ms", "slowest, from before the push until the worker's token is there", Most, 65_000, 3).beside("< 65 s", "< 65 s"),
			all("talked", "heard each other", 3),
		}},
		{"11", "Keep-alive reliability", "A process of agentbridge keepalive watches a hub for 30 s, or the 90 minutes with --real-time, while messages are sent at random moments and the hub is killed or stopped and started again, over and over.", []Measure{
			all("noticed", "messages that its command was told of", 10).beside("100 %", "100 % in 30 min"),
			{Series: "restarts", Says: "times the hub was taken down", Fold: Sum, Op: ">=", Target: 2, Least: 1},
			none("faults", "whatever else was not as promised", 1),
			{Series: "notice_ms", Says: "slowest notice, hub away or not", Fold: Most, Unit: "ms"},
		}},
		{"12", "External watchdog", "agentbridge watchdog runs beside. Two workers of this machine and one of a hub get kill -9; three others go on.", []Measure{
			timed("local_ms", "slowest alert about a worker of this machine", 2*minute, 2).beside("< 2 min", "< 1 min"),
			timed("far_ms", "slowest alert about one of the hub", 2*minute, 0).beside("< 2 min", "< 1 min"),
			none("false", "alerts about those who go on", 3),
		}},
		{"13", "Push latency", "50 messages to a worker that waits in check_messages, and beside it 5 to one that looks every 2 s, or every 30 s with --real-time.", []Measure{
			within("push_ms", "median until it is there, pushed", Half, 100, 50).beside("< 100 ms", "< 50 ms"),
			{Series: "push_ms", Says: "slowest, pushed", Fold: Most, Unit: "ms"},
			{Series: "poll_ms", Says: "mean, polled", Fold: Mean, Unit: "ms", Least: 1, SeedTarget: "–", SeedResult: "15–30 s"},
		}},
		{"expiry", "Expiry", "A conversation, an invite and a token that live for seconds are used before their end and after it.", []Measure{
			all("before", "worked before the end", 3),
			all("refused", "refused as expired after it", 3).beside("3 h enforced", "enforced"),
			all("readable", "still readable after it", 1),
		}},
		{"audit", "Audit", "All logs of the deployment are verified; every message that was acknowledged in this run is looked for in them.", []Measure{
			none("broken", "logs that do not verify", 2),
			none("unlogged", "acknowledged messages without an entry", 160),
			{Series: "entries", Says: "entries verified", Fold: Sum, Op: ">=", Target: 160, Least: 2, SeedTarget: "complete", SeedResult: "463"},
		}},
	}
}
