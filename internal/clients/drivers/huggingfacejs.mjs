// huggingface.js: an app without a server, and so without a secret.
import { oauthHandleRedirect, oauthLoginUrl, whoAmI } from "@huggingface/hub";
import { app, serve } from "./web.mjs";

const hubUrl = app.issuer;

await serve({
  login(session) {
    session.storage = {};
    return oauthLoginUrl({
      hubUrl,
      clientId: app.clientId,
      scopes: app.scopes,
      redirectUrl: app.redirectUri,
      localStorage: session.storage,
    });
  },
  async callback(session, url) {
    session.result = await oauthHandleRedirect({ hubUrl, redirectedUrl: url.href, ...session.storage });
  },
  async account({ result }) {
    return {
      userinfo: result.userInfo,
      scope: result.scope,
      accessToken: result.accessToken,
      whoami: await whoAmI({ hubUrl, accessToken: result.accessToken }),
    };
  },
});
