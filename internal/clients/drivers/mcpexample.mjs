// The MCP SDK's client with examples/mcp, whose address is in MCP_URL. With
// NARROW_TOKEN it begins with a token that has too few scopes.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Memory } from "./memory.mjs";
import { serve } from "./web.mjs";

const transportOf = (memory) => new StreamableHTTPClientTransport(new URL(process.env.MCP_URL), { authProvider: memory });

async function callTool(memory) {
  const client = new Client({ name: "client", version: "1" });
  await client.connect(transportOf(memory));
  try {
    const result = await client.callTool({ name: "whoami" });
    return { name: result.content[0].text };
  } finally {
    await client.close();
  }
}

await serve({
  async login(session) {
    session.memory = new Memory();
    if (process.env.NARROW_TOKEN) session.memory.kept = { access_token: process.env.NARROW_TOKEN, token_type: "bearer" };
    try {
      await callTool(session.memory);
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || !session.memory.authorization) throw error;
    }
    return session.memory.authorization;
  },
  async callback({ memory }, url) {
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
