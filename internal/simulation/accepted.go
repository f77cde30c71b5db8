package simulation

// Accepted is what the promises leave out, each with the reason why nobody can
// keep it. A session that one of them may have cost is not asked for any more;
// Result.Accepted counts them.
var Accepted = map[string]string{
	tokensDied: "The provider has replaced the refresh token, and the process that got the new one ended before a store or a browser had it.",
	answerLost: "The provider replaced the refresh token and its answer reached nobody: the old one is dead.",
	familyDead: "The provider ended all tokens of the sign-in, because the user said so or because it saw a refresh token twice.",
	writeLost:  "A store that loses what it said it has (a failover to a replica that is behind, an eviction) loses sessions and sign-outs.",
	diedEarly:  "A sign-out that was answered with 503 is known to one process until the store takes it, and that process ended.",
	noStore:    "A session that lives in its cookie is known to no other process: there it is neither signed out nor are its renewed tokens known.",
	doubleUse:  "Without compare-and-swap two replicas that renew at one moment may both send the refresh token. A request of the one that loses may be sent to sign-in, and a provider that watches for reuse ends the sign-in.",
	doubleTake: "Without compare-and-swap two replicas that answer one claim at one moment may both give the session out, to the same iframe.",
	takenDead:  "The process that answered a claim ended before the answer reached the iframe: a claim works once.",
	forgotten:  "A process that has answered 10,000 other claims within two minutes forgets the first of them.",
	logoutLate: "Ending all sessions of a user failed, and its writes land late: sessions that began meanwhile end, too.",
}

const (
	tokensDied = "tokens died with a process"
	answerLost = "an answer of the provider was lost"
	familyDead = "the provider ended the sign-in"
	writeLost  = "the store lost an acknowledged write"
	diedEarly  = "a process ended before the store took a sign-out"
	noStore    = "cookie-only sessions of several processes"
	doubleUse  = "double refresh without compare-and-swap"
	doubleTake = "double claim without compare-and-swap"
	takenDead  = "a process ended while it answered a claim"
	forgotten  = "a process forgot a claim that it answered"
	logoutLate = "a failed logout of a user lands late"
)
