package main

// revert is a fix that is taken out.
type revert struct {
	point   int // in the list of the issue that requested the fix
	what    string
	changes []change
}

// change replaces a text that occurs once in a file.
type change struct{ file, old, new string }

const (
	endFile     = "internal/sessions/end.go"
	openFile    = "internal/sessions/sessions.go"
	renewFile   = "internal/sessions/renew.go"
	parkFile    = "internal/sessions/park.go"
	storeFile   = "internal/sessions/store.go"
	signOutFile = "signout.go"
	renewalFile = "renewal.go"
	sessionFile = "session.go"
	finderFile  = "finder.go"
	frameFile   = "frame.go"
	cookiesFile = "cookies.go"
)

var reverts = []revert{
	{8, "a sign-out that was not stored is retried", []change{
		{endFile, "	if err == nil {\n		return nil\n	}\n	now := k.config.Now()",
			"	if true {\n		return err\n	}\n	now := k.config.Now()"},
	}},
	{8, "opening a session reads its tombstone", []change{
		{openFile, "		if k.store.swapper == nil {\n			mark", "		if false {\n			mark"},
	}},
	{8, "failing to read the tombstone is a failure", []change{
		{openFile, "			if err != nil || mark != nil {", "			if mark != nil {"},
	}},
	{9, "a version that is not stored yet is used", []change{
		{openFile, "	case !ok || v.entry.Version < e.Version:", "	case true || !ok || v.entry.Version < e.Version:"},
	}},
	{9, "a version that was not stored is saved later", []change{
		{renewFile, "func (k *Keeper[S]) saveLater(e *Entry[S]) {",
			"func (k *Keeper[S]) saveLater(e *Entry[S]) {\n	if true {\n		return\n	}"},
	}},
	{10, "replicas take turns", []change{
		{renewFile, "	if !k.remote {\n		current, err := k.reopen", "	if true {\n		current, err := k.reopen"},
	}},
	{10, "a turn lasts until the new tokens are stored", []change{
		{renewFile, "; ok && !v.confirmed {\n		return", "; ok && !v.confirmed && false {\n		return"},
	}},
	{10, "a dead token is not sent twice", []change{
		{renewalFile, "next, err := r.sessions.Refuse(ctx, e, left, left.token.Expiry)",
			"next, err := e, error(nil)\n	if !r.now().Before(left.token.Expiry) {\n		return nil, ErrNotSignedIn\n	}"},
	}},
	{10, "a user whose access token is good does not wait", []change{
		{renewalFile, "wait := !r.now().Before(e.Data.token.Expiry)", "wait := true"},
	}},
	{11, "with a store a renewal sets no cookie", []change{
		{finderFile, "		case e.Value == \"\" || e.Value == value:",
			"		case e.Value == \"\":\n			f.cookies.set(w, name, value, cookieLifetime(e, " +
				"f.now()))\n			return e, nil\n		case e.Value == value:"},
	}},
	{11, "a renewal checks for a sign-out before it sets a cookie", []change{
		{finderFile, "		case !f.sessions.Ended(e.ID):", "		default:"},
		{renewFile, "	if _, ended := k.ended.Get(e.ID, k.config.Now()); " +
			"ended {\n		return nil, ErrEnded\n	}\n	return e, nil", "	return e, nil"},
	}},
	{12, "the sessions of a user end by an epoch, not by a clock", []change{
		{endFile, "return forgotten || current.mark == e.epoch.mark, nil", "return forgotten || " +
			"current.until.IsZero() || e.Started.After(current.until.Add(-k.config.MaxAge)), nil"},
	}},
	{12, "the epoch decides", []change{
		{endFile, "return forgotten || current.mark == e.epoch.mark, nil", "return true || forgotten, nil"},
	}},
	{12, "the sessions in the list are ended as well", []change{
		{endFile, "	for _, l := range list {\n		err := k.bury", "	for _, l := range list[:0] {\n		err := k.bury"},
	}},
	{13, "a claim works once in a process", []change{
		{parkFile, " || !k.claimed.PutNew(key, struct{}{}, 1, now, p.until) {",
			" || false && !k.claimed.PutNew(key, struct{}{}, 1, now, p.until) {"},
	}},
	{13, "a claim works once across replicas", []change{
		{parkFile, "swapped, err := k.store.swap(ctx, key, sealed, k.sealParked(key, &p), p.until)",
			"swapped, err := true, error(nil)"},
	}},
	{13, "a parked session does not rely on the store to expire it", []change{
		{parkFile, " || !k.config.Now().Before(p.until) {", " {"},
	}},
	{13, "a claim ends the session that it supersedes", []change{
		{frameFile, "		c.endSuperseded(ctx, r)\n", ""},
	}},
	{13, "a store fault does not lose a claim", []change{
		{parkFile, "	if p.taker == [16]byte{} {",
			"	if p.taker == k.owner {\n		return nil, \"\", nil\n	}\n	if p.taker == [16]byte{} {"},
	}},
	{13, "a dead session does not hide a good one", []change{
		{finderFile, "			missing = err\n", "			return nil, err\n"},
	}},
	{13, "an old frame cookie does not hide a later sign-in", []change{
		{signOutFile, "		if name == c.cookies.frame {\n			c.cookies.remove", "		if false {\n			c.cookies.remove"},
	}},
	{13, "a later sign-in leaves the session of an iframe alone", []change{
		{signOutFile, "			c.sessions.EndUnlessShared(ctx, value)", "			c.sessions.End(ctx, value)"},
	}},
	{13, "the cookie of an iframe lives as long as its session", []change{
		{sessionFile, "		return e.End.Sub(now)", "		return e.Expiry.Sub(now)"},
	}},
	{14, "a session that the provider refuses ends on all replicas", []change{
		{renewFile, "	next.sealed = k.config.Stored.Seal(k.encode(next), next.key)",
			"	if next.Version&2 != 0 {\n		k.supersede(next)\n		return next, " +
				"nil\n	}\n	next.sealed = k.config.Stored.Seal(k.encode(next), next.key)"},
	}},
	{14, "a session ends at its maximum age", []change{
		{renewFile, "next.Data, next.Version, next.Expiry = data, version, earlier(expiry, e.End)",
			"next.Data, next.Version, next.Expiry = data, version, expiry"},
		{openFile, "	e.Expiry = earlier(e.Expiry, e.End)\n	return e\n", "	return e\n"},
	}},
	{15, "the store calls of a request share their time", []change{
		{storeFile, "		a.nanoseconds.Add(-int64(d))", "		_ = d"},
	}},
	{16, "session, iframe and attempts share the header", []change{
		{cookiesFile, "	if c.framed {\n		return c.maxShared()\n	}\n", ""},
	}},
	{17, "a pause after a sign-in and a sign-out", []change{
		{"middleware.go", "			case hasCookie(r, c.cookies.pause):", "			case false:"},
	}},
}
