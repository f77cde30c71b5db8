package simulation

// Accepted lists the exceptions to the promises, each with the reason why it
// cannot be avoided. A session that may be lost to one is no longer checked;
// Result.Accepted counts how often that happened. SECURITY.md has the same list.
var Accepted = map[string]string{
	tokensDied: "The provider had replaced the refresh token, " +
		"and the process that received the new one ended before the store or the browser had it.",
	answerLost: "The provider had replaced the refresh token, its answer was lost, and the old token is dead.",
	familyDead: "The user disconnected the app, or the provider saw a refresh token twice and revoked " +
		"all that came of the sign-in.",
	writeLost: "A failover to a database that lags behind, or an eviction, loses sessions and sign-outs.",
	diedEarly: "The sign-out was answered with 503, " +
		"and the only process that knew of it ended before the store took it.",
	noStore: "A session that lives in its cookie is signed out, and its renewed tokens are known, " +
		"in one process only.",
	doubleUse: "Two replicas that renew at the same moment may both send the refresh token. One " +
		"request of the replica that loses may be sent to sign in, and a provider that detects reuse ends the sign-in.",
	doubleTake: "Two replicas that answer the same claim at the same moment may both give the session " +
		"out, to the same iframe.",
	takenDead: "A claim works once, and the process that took it ended before the iframe had the " +
		"session: the user clicks again.",
	forgotten: "A process that answered 10,000 other claims within two minutes forgets the first of them.",
	crowded: "A process for which 10,000 changes wait during an outage of the store drops the next " +
		"one, with an error in the log.",
	logoutLate: "LogoutUser returned an error, and its writes reached the store later: " +
		"sessions that began in between end as well.",
}

const (
	tokensDied = "tokens are lost with the process that received them"
	answerLost = "an answer of the provider is lost"
	familyDead = "the provider ends a sign-in"
	writeLost  = "the store loses a write that it acknowledged"
	diedEarly  = "a process ends before the store took a sign-out"
	noStore    = "several processes without a store"
	doubleUse  = "a double refresh without compare-and-swap"
	doubleTake = "a double claim without compare-and-swap"
	takenDead  = "a process ends while it answers a claim"
	forgotten  = "a process forgets a claim that it answered"
	crowded    = "too many sign-outs wait for the store"
	logoutLate = "a LogoutUser that failed lands late"
)
