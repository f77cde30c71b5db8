// Signs in entirely in the browser: there is no server and no client secret, so the
// code is redeemed with PKCE. In a static Space the Hub defines window.huggingface;
// on a laptop, server.mjs does.
import { oauthHandleRedirectIfPresent, oauthLoginUrl, whoAmI } from "@huggingface/hub";

const variables = window.huggingface?.variables ?? {};
const hubUrl = variables.OPENID_PROVIDER_URL; // huggingface.co if undefined

const status = document.querySelector("#status");
const signIn = document.querySelector("#sign-in");
const signOut = document.querySelector("#sign-out");

signIn.onclick = async () => {
  location.href = await oauthLoginUrl({ hubUrl, scopes: variables.OAUTH_SCOPES, redirectUrl: location.origin + "/" });
};

signOut.onclick = () => {
  sessionStorage.removeItem("oauth");
  show();
};

// result is the result of the sign-in, kept while the tab is open.
async function result() {
  const fresh = await oauthHandleRedirectIfPresent({ hubUrl });
  if (fresh) {
    sessionStorage.setItem("oauth", JSON.stringify(fresh));
    history.replaceState(null, "", "/"); // the code works once
  }
  const kept = JSON.parse(sessionStorage.getItem("oauth"));
  return kept && new Date(kept.accessTokenExpiresAt) > new Date() ? kept : null;
}

async function show() {
  let user = null;
  try {
    user = await result();
    status.textContent = "You are not signed in.";
    if (user) {
      const { name, orgs } = await whoAmI({ hubUrl, accessToken: user.accessToken });
      status.textContent = `Hello, ${user.userInfo.name} (${name}), member of ${orgs.length} organizations.`;
    }
  } catch (error) {
    status.textContent = `Sign-in failed: ${error.message}`;
    history.replaceState(null, "", "/");
  }
  signIn.hidden = Boolean(user);
  signOut.hidden = !user;
}

show();
