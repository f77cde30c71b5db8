// What an MCP client stores for one user.
import { app } from "./web.mjs";

// Memory is an OAuthClientProvider that stores everything of one user.
export class Memory {
  get redirectUrl() { return app.redirectUri; }
  get clientMetadata() {
    return {
      client_name: "An MCP client",
      redirect_uris: [app.redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.kept; }
  saveTokens(tokens) { this.kept = tokens; }
  redirectToAuthorization(url) { this.authorization = url.href; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
}
