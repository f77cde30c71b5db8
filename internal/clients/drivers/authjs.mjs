// Auth.js with its own Hugging Face provider. It keeps the session in a cookie
// and has no way to refresh tokens.
import { Auth, createActionURL, skipCSRFCheck } from "@auth/core";
import HuggingFace from "@auth/core/providers/huggingface";
import { app, serve, whoAmI } from "./web.mjs";

const config = () => ({
  basePath: "/auth",
  trustHost: true,
  secret: "0123456789abcdef0123456789abcdef",
  debug: true,
  logger: {
    debug(_, details) { reason = details?.error; }, // the provider's reason, which the error omits
    warn() {},
    error(error) { problem = new Error(reason ?? error.message, { cause: error.cause?.err }); },
  },
  providers: [
    HuggingFace({
      issuer: app.issuer,
      clientId: app.clientId,
      clientSecret: app.clientSecret,
      authorization: { params: { scope: app.scopes } },
    }),
  ],
  callbacks: {
    jwt: ({ token, account, profile }) => (account ? { ...token, account, profile } : token),
    session: ({ session, token }) => ({ ...session, account: token.account, profile: token.profile }),
  },
});
let problem, reason; // of the last failure that Auth.js logged

await serve({
  // login is what the frameworks' signIn does on the server.
  login() {
    const url = createActionURL("signin", "http:", new Headers({ host: new URL(app.url).host }), {}, config());
    const body = new URLSearchParams({ callbackUrl: app.url + "/me" });
    return Auth(new Request(`${url}/huggingface`, { method: "POST", body }), { ...config(), skipCSRFCheck });
  },
  async routes(request) {
    problem = reason = undefined;
    const response = await Auth(request, config());
    if (problem) throw problem; // instead of the page that it redirects to
    return response;
  },
  async account(_, request) {
    const headers = { cookie: request.headers.get("cookie") ?? "" };
    const response = await Auth(new Request(app.url + "/auth/session", { headers }), config());
    const { user, account, profile } = await response.json();
    return {
      claims: { ...profile, name: user.name, email: user.email, picture: user.image },
      scope: account.scope,
      accessToken: account.access_token,
      whoami: await whoAmI(account.access_token),
    };
  },
});
