// The MCP SDK's client with a server of the same SDK: an unregistered program. It
// finds the provider through the server's 401 response, registers itself there (RFC
// 7591), signs the user in and refreshes its token when necessary.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import express from "express";
import { once } from "node:events";
import { Memory } from "./memory.mjs";
import { app, serve, whoAmI } from "./web.mjs";

const mcpURL = await serveMCP();

// serveMCP starts an MCP server with one tool, which returns the user.
async function serveMCP() {
  const mcp = express();
  const listener = mcp.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const origin = `http://localhost:${listener.address().port}`;
  const resourceMetadata = "/.well-known/oauth-protected-resource/mcp";
  mcp.get(resourceMetadata, (_, res) => {
    res.json({ resource: origin + "/mcp", authorization_servers: [app.issuer], scopes_supported: app.scopes.split(" ") });
  });
  const verifier = {
    async verifyAccessToken(token) {
      const whoami = await whoAmI(token).catch(() => { throw new InvalidTokenError("the Hub does not know the token"); });
      return { token, clientId: "", scopes: [], expiresAt: Date.parse(whoami.auth.expiresAt) / 1000, extra: { whoami } };
    },
  };
  mcp.post("/mcp", requireBearerAuth({ verifier, resourceMetadataUrl: origin + resourceMetadata }), express.json(), async (req, res) => {
    const server = new McpServer({ name: "who", version: "1" });
    server.registerTool("whoami", { description: "Who is the user?" }, ({ authInfo }) => ({
      content: [{ type: "text", text: JSON.stringify(authInfo.extra.whoami) }],
    }));
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    await server.connect(transport);
    await transport.handleRequest(req, res, req.body);
  });
  mcp.all("/mcp", (_, res) => res.status(405).end());
  return new URL(origin + "/mcp");
}

const transportOf = (memory) => new StreamableHTTPClientTransport(mcpURL, { authProvider: memory });

async function callTool(memory) {
  const client = new Client({ name: "client", version: "1" });
  await client.connect(transportOf(memory));
  try {
    const result = await client.callTool({ name: "whoami" });
    return JSON.parse(result.content[0].text);
  } finally {
    await client.close();
  }
}

await serve({
  async login(session) {
    session.memory = new Memory();
    try {
      await callTool(session.memory);
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || !session.memory.authorization) throw error;
    }
    return session.memory.authorization;
  },
  async callback({ memory }, url) {
    if (url.searchParams.has("error")) throw new Error(url.searchParams.get("error"));
    await transportOf(memory).finishAuth(url.searchParams.get("code"));
  },
  async refresh({ memory }) {
    memory.kept = { ...memory.kept, access_token: "expired" }; // the server refuses it, the SDK refreshes
    await callTool(memory);
  },
  async account({ memory }) {
    const whoami = await callTool(memory);
    return { scope: memory.kept.scope, accessToken: memory.kept.access_token, whoami };
  },
});
