// The web app around each npm client: routes and responses as in doc.go.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import { Readable } from "node:stream";

export const app = {
  issuer: process.env.OPENID_PROVIDER_URL,
  clientId: process.env.OAUTH_CLIENT_ID,
  clientSecret: process.env.OAUTH_CLIENT_SECRET,
  scopes: process.env.OAUTH_SCOPES,
  url: undefined, // set by serve
};

const json = (value, status = 200) => Response.json(value, { status });
const redirect = (location) => new Response(null, { status: 302, headers: { location } });

// serve answers with client's functions, each of which is given the session of
// the browser, an object of its own:
//
//   login(session)          returns the address of the provider
//   callback(session, url)  handles the authorization response
//   account(session)        returns what /me shows
//   refresh(session)        renews the tokens
//   device(session)         begins a device login, and returns what the user is shown
//   token(session)          waits until the user has decided on it
//   routes(request)         serves other paths
export async function serve(client) {
  const sessions = new Map();

  async function answer(request) {
    const url = new URL(request.url);
    const id = /session=([\w-]+)/.exec(request.headers.get("cookie"))?.[1] ?? randomUUID();
    const session = sessions.get(id) ?? {};
    sessions.set(id, session);
    const keep = (response) => {
      response.headers.set("set-cookie", `session=${id}; Path=/; HttpOnly; SameSite=Lax`);
      return response;
    };
    try {
      switch (`${request.method} ${url.pathname}`) {
        case "GET /login": {
          const to = await client.login(session);
          if (to instanceof Response) return to;
          return keep(redirect(to));
        }
        case "GET /callback":
          await client.callback(session, url);
          return redirect("/me");
        case "GET /me":
          return json(await client.account(session, request));
        case "POST /refresh":
          await client.refresh(session);
          return json(await client.account(session, request));
        case "POST /device":
          return keep(json(await client.device(session)));
        case "POST /token":
          await client.token(session);
          return json(await client.account(session, request));
        default:
          return (await client.routes?.(request)) ?? json({ error: "not found" }, 404);
      }
    } catch (error) {
      return json({ error: [error, error.cause].filter(Boolean).map(describe).join(": ") }, 400);
    }
  }

  const server = createServer(async (incoming, outgoing) => {
    const body = ["GET", "HEAD"].includes(incoming.method) ? undefined : Readable.toWeb(incoming);
    const response = await answer(
      new Request(app.url + incoming.url, { method: incoming.method, headers: incoming.headers, body, duplex: "half" }),
    );
    outgoing.writeHead(response.status, [...response.headers].flat());
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  app.url = `http://localhost:${server.address().port}`;
  app.redirectUri = app.url + "/callback";
  console.log(app.url);
}

// describe names the error as its library does, with its RFC 6749 code.
function describe(error) {
  return [error.code, error.error, error.error_description, error.message ?? JSON.stringify(error)].filter(Boolean).join(" ");
}

// whoAmI asks the Hub's API with an access token.
export async function whoAmI(accessToken) {
  const response = await fetch(app.issuer + "/api/whoami-v2", { headers: { authorization: `Bearer ${accessToken}` } });
  if (!response.ok) throw new Error(`whoami-v2: status ${response.status}`);
  return response.json();
}
