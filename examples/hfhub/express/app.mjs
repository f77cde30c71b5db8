// An Express app that signs its users in with Auth.js. The variables are those that
// a Space sets; AUTH_SECRET is the app's own secret, which signs and encrypts the
// session cookie.
import { ExpressAuth, getSession } from "@auth/express";
import HuggingFace from "@auth/express/providers/huggingface";
import express from "express";
import { randomBytes } from "node:crypto";

const { OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, OAUTH_SCOPES, OPENID_PROVIDER_URL, AUTH_SECRET, PORT = "3000" } = process.env;

const auth = {
  basePath: "/auth",
  trustHost: true, // behind the proxy of a Space, or on a laptop
  secret: AUTH_SECRET ?? randomBytes(32).toString("hex"),
  providers: [
    HuggingFace({
      issuer: OPENID_PROVIDER_URL, // Auth.js's own is huggingface.co
      clientId: OAUTH_CLIENT_ID,
      clientSecret: OAUTH_CLIENT_SECRET,
      authorization: { params: { scope: OAUTH_SCOPES } },
    }),
  ],
  callbacks: {
    // Identify the user by sub, which stays the same when the username changes.
    jwt: ({ token, profile }) => (profile ? { ...token, sub: profile.sub, username: profile.preferred_username } : token),
    session: ({ session, token }) => ({ ...session, user: { ...session.user, sub: token.sub, username: token.username } }),
  },
};

const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const app = express();
app.set("trust proxy", true);
app.use("/auth", ExpressAuth(auth));

const page = (body) => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>An Express app with Auth.js</title>
</head>
<body>
<main>
<h1>An Express app with Auth.js</h1>
${body}
</main>
</body>
</html>
`;

app.get("/", async (request, response) => {
  const session = await getSession(request, auth);
  if (!session) {
    response.send(page(`<p>You are not signed in.</p>\n<p><a href="/auth/signin">Sign in with Hugging Face</a></p>`));
    return;
  }
  const { name, username } = session.user;
  response.send(page(`<p>Hello, ${escape(name)} (${escape(username)}).</p>\n<p><a href="/auth/signout">Sign out</a></p>`));
});

app.get("/private", async (request, response) => {
  const session = await getSession(request, auth);
  if (!session) return response.status(401).send("Please sign in at /auth/signin.");
  response.json(session.user);
});

const server = app.listen(PORT, "localhost", () => console.log(`http://localhost:${server.address().port}`));
