// panva's oidc-provider, at the address ISSUER and listening on PORT, with its
// own pages for signing in and consent. Whoever types a name is that user.
import Provider from "oidc-provider";

const { ISSUER, PORT, REDIRECT_URI, CLIENT_SECRET, TOKEN_LIFETIME } = process.env;

const provider = new Provider(ISSUER, {
  clients: [{
    client_id: "web",
    client_secret: CLIENT_SECRET,
    redirect_uris: [REDIRECT_URI],
    grant_types: ["authorization_code", "refresh_token"],
  }],
  claims: { openid: ["sub"], profile: ["name", "preferred_username"], email: ["email", "email_verified"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: "Test User",
      preferred_username: id,
      email: `${id}@example.com`,
      email_verified: true,
    }),
  }),
  // Without offline_access, for which the consent must be asked for each time.
  issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
  rotateRefreshToken: true,
  ttl: { AccessToken: Number(TOKEN_LIFETIME) },
});

provider.listen(Number(PORT), "127.0.0.1");
