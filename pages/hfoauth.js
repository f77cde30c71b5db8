// Sign-in with Hugging Face inside an iframe. See docs/spaces.md.
//
// The window that signs in and the iframe have different cookies where the
// browser blocks third-party ones, and the provider's pages cut the tie
// between the two windows. So the iframe keeps a secret, gives its hash to the
// window while that is still on our own origin, and afterwards asks the server
// for the session that was signed in for this hash.
(() => {
  "use strict";
  if (window.hfoauth) return;
  const frame = new URL(".", document.currentScript.src); // …/login/frame/
  const framed = window.self !== window.top;
  const minutes = 60 * 1000;
  window.hfoauth = { framed };

  const base64url = (bytes) =>
    btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  const post = async (path, form) => {
    const response = await fetch(new URL(path, frame), { method: "POST", body: new URLSearchParams(form), credentials: "same-origin" });
    if (!response.ok) throw new Error(response.status);
    return response.json();
  };

  // say shows a text, and a link where one helps, next to the button.
  const say = (button, text, link) => {
    let status = button.nextElementSibling;
    if (!status?.classList.contains("hfoauth-status")) {
      status = document.createElement("span");
      status.className = "hfoauth-status";
      status.setAttribute("role", "status");
      button.after(status);
    }
    status.textContent = text;
    if (link) status.append(" ", link);
  };

  const newTab = (href, text) => {
    const link = document.createElement("a");
    Object.assign(link, { href, textContent: text, target: "_blank", rel: "opener" });
    return link;
  };

  const nextOf = (button) => button.dataset.hfoauthNext || location.pathname + location.search + location.hash;
  const loginOf = (button) => `${frame.pathname.replace(/\/frame\/$/, "")}?next=${encodeURIComponent(nextOf(button))}`;

  let attempt = 0;
  const signIn = async (button) => {
    const mine = ++attempt;
    const options = encodeURIComponent(button.dataset.hfoauthOptions || "");
    const popupURL = new URL(`popup?next=${encodeURIComponent(nextOf(button))}&options=${options}`, frame);
    const popup = window.open(popupURL, "_blank", "popup,width=600,height=760");
    if (!popup) {
      say(button, "Your browser blocked the sign-in window.", newTab(loginOf(button), "Sign in in a new tab"));
      return;
    }
    const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
    const challenge = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
    addEventListener("message", function give(event) {
      if (mine !== attempt) return removeEventListener("message", give);
      if (event.origin !== location.origin || event.source !== popup || event.data?.hfoauth !== "ready") return;
      removeEventListener("message", give);
      popup.postMessage({ hfoauth: "challenge", challenge }, location.origin);
    });
    say(button, "Finish signing in in the other window.");
    await claim(button, mine, verifier);
  };

  // claim asks for the session until it is there. The other window cannot be
  // watched; a click on the button begins anew at any time.
  const claim = async (button, mine, verifier) => {
    for (const end = Date.now() + 10 * minutes; Date.now() < end; await wait(1000)) {
      if (mine !== attempt) return;
      try {
        if (!(await post("claim", { verifier })).signedIn) continue;
      } catch {
        continue;
      }
      const kept = await post("check", {}).catch(() => ({ signedIn: true }));
      if (!kept.signedIn) {
        say(button, "Your browser does not let this page remember you inside another site.", newTab(nextOf(button), "Open it in its own tab"));
      } else if (button.dataset.hfoauthNext && button.dataset.hfoauthNext !== location.pathname) {
        location.replace(button.dataset.hfoauthNext);
      } else {
        location.reload();
      }
      return;
    }
    say(button, "Signing in took too long. Try again.");
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-hfoauth-login]");
    if (!button || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (framed) {
      event.preventDefault();
      signIn(button);
    } else if (!button.href) {
      location.assign(loginOf(button));
    }
  });

  // In the window that signs in: fetch the challenge from the iframe and go on.
  const form = document.querySelector("form[data-hfoauth-popup]");
  if (form && window.opener) {
    addEventListener("message", (event) => {
      if (event.origin !== location.origin || event.source !== window.opener || event.data?.hfoauth !== "challenge") return;
      form.elements.challenge.value = event.data.challenge;
      form.submit();
    });
    window.opener.postMessage({ hfoauth: "ready" }, location.origin);
  }

  // When all is done there.
  if (document.querySelector("[data-hfoauth-close]")) window.close();
})();
