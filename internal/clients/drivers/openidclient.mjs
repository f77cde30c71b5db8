// openid-client, certified by the OpenID Foundation, with state, nonce and PKCE.
import * as client from "openid-client";
import { app, serve, whoAmI } from "./web.mjs";

let config;
async function discover() {
  config ??= await client.discovery(
    new URL(app.issuer),
    app.clientId,
    {},
    client.ClientSecretBasic(app.clientSecret),
    { execute: [client.allowInsecureRequests] },
  );
  return config;
}

await serve({
  async login(session) {
    await discover();
    session.checks = {
      pkceCodeVerifier: client.randomPKCECodeVerifier(),
      expectedState: client.randomState(),
      expectedNonce: client.randomNonce(),
    };
    return client.buildAuthorizationUrl(config, {
      redirect_uri: app.redirectUri,
      scope: app.scopes,
      state: session.checks.expectedState,
      nonce: session.checks.expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(session.checks.pkceCodeVerifier),
      code_challenge_method: "S256",
    }).href;
  },
  async callback(session, url) {
    session.tokens = await client.authorizationCodeGrant(config, url, { ...session.checks, idTokenExpected: true });
    session.claims = session.tokens.claims();
  },
  async refresh(session) {
    session.tokens = await client.refreshTokenGrant(config, session.tokens.refresh_token);
  },
  async device(session) {
    await discover();
    session.device = await client.initiateDeviceAuthorization(config, { scope: app.scopes });
    return session.device;
  },
  async token(session) {
    session.tokens = await client.pollDeviceAuthorizationGrant(config, session.device);
    session.claims = session.tokens.claims();
  },
  async account({ tokens, claims }) {
    return {
      claims,
      userinfo: await client.fetchUserInfo(config, tokens.access_token, claims.sub),
      scope: tokens.scope,
      accessToken: tokens.access_token,
      whoami: await whoAmI(tokens.access_token),
    };
  },
});
