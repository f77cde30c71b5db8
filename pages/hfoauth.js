// Sign-in with Hugging Face inside an iframe. See docs/spaces.md.
//
// The window that signs in and the iframe have different cookies where the
// browser blocks third-party ones, and cannot talk to each other: the Hub's
// pages keep windows apart (Cross-Origin-Opener-Policy). So the iframe keeps a
// secret, posts its hash to our own origin in a new window, and afterwards asks
// the server for the session that was signed in there for this hash.
(() => {
  "use strict";
  const loaded = Symbol.for("hfoauth"); // no element's id can take this name
  if (window[loaded]) return;
  window[loaded] = true;
  const frame = new URL(".", document.currentScript.src); // …/login/frame/
  const framed = window.self !== window.top;
  const minutes = 60 * 1000;

  const base64url = (bytes) =>
    btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  const post = async (path, fields) => {
    const response = await fetch(new URL(path, frame), { method: "POST", body: new URLSearchParams(fields), credentials: "same-origin" });
    if (!response.ok) throw new Error(response.status);
    return response.json();
  };

  // postInNewWindow works where the answer to window.open would not be told.
  const postInNewWindow = (path, fields) => {
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: new URL(path, frame), target: "_blank", hidden: true });
    for (const [name, value] of Object.entries(fields)) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(form);
    form.submit();
    form.remove();
  };

  // say shows a text, and a link where one helps, next to the button. A screen
  // reader reads what changes in an element that is there.
  const say = async (button, text, link) => {
    let status = button.nextElementSibling;
    if (!status?.classList.contains("hfoauth-status")) {
      status = document.createElement("span");
      status.className = "hfoauth-status";
      status.setAttribute("role", "status");
      button.after(status);
      await wait(100);
    }
    status.textContent = text;
    if (link) status.append(" ", link);
  };

  const newTab = (href, text) =>
    Object.assign(document.createElement("a"), { href, textContent: text, target: "_blank", rel: "noopener" });

  // nextOf is where to go on: on this site, whatever the attribute says.
  const nextOf = (button) => {
    try {
      const next = new URL(button.dataset.hfoauthNext || location.href, location.href);
      if (next.origin === location.origin && next.protocol === location.protocol) return next;
    } catch { /* not an address */ }
    return new URL("/", location.href);
  };
  const pathOf = (url) => url.pathname + url.search + url.hash;
  const loginTo = (next) => `${frame.pathname.replace(/\/frame\/$/, "")}?next=${encodeURIComponent(pathOf(next))}`;

  // goOn loads a page even where it is this one, or a part of it.
  const goOn = (next) => {
    if (next.pathname !== location.pathname || next.search !== location.search) return location.replace(next);
    history.replaceState(null, "", next);
    location.reload();
  };

  // The secret is made ahead: a browser lets a click open a window only at once.
  const makeSecret = async () => {
    const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    return { verifier, challenge: base64url(hash) };
  };
  let secret = null;
  const prepare = () => makeSecret().then((made) => { secret = made; });
  if (framed) prepare();

  let attempt = 0;
  const signIn = async (button) => {
    const mine = ++attempt;
    const next = nextOf(button);
    const { verifier, challenge } = secret || await makeSecret();
    secret = null;
    prepare();
    postInNewWindow("popup", { challenge, next: pathOf(next), options: button.dataset.hfoauthOptions || "" });
    say(button, "Finish signing in in the other tab. If there is none,", newTab(loginTo(next), "sign in in a new tab"));
    await claim(button, mine, verifier, next);
  };

  // claim asks for the session until it is there. The other window cannot be
  // watched; a click on the button begins anew at any time.
  const claim = async (button, mine, verifier, next) => {
    for (const end = Date.now() + 10 * minutes; Date.now() < end; await wait(1000)) {
      if (mine !== attempt) return;
      try {
        if (!(await post("claim", { verifier })).signedIn) continue;
      } catch {
        continue;
      }
      const kept = await post("check", {}).catch(() => ({ signedIn: true }));
      if (kept.signedIn) return goOn(next);
      say(button, "Your browser does not let this page remember you inside another site.", newTab(next, "Open it in its own tab"));
      return;
    }
    say(button, "Signing in took too long. Try again.");
  };

  const native = "a[href], button, input, summary";
  for (const button of document.querySelectorAll("[data-hfoauth-login]")) {
    if (button.matches(native)) continue;
    if (!button.hasAttribute("role")) button.setAttribute("role", "button");
    if (!button.hasAttribute("tabindex")) button.tabIndex = 0;
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    if (!event.target.matches?.("[data-hfoauth-login]") || event.target.matches(native)) return;
    event.preventDefault();
    event.target.click();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-hfoauth-login]");
    if (!button || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (framed) {
      event.preventDefault();
      signIn(button);
    } else if (!button.href) {
      location.assign(loginTo(nextOf(button)));
    }
  });

  // Our own two pages in the tab that signs in, the first and the last. On any
  // other page these attributes may be somebody else's.
  const at = (path) => location.pathname === new URL(path, frame).pathname;
  const onward = document.querySelector("a[data-hfoauth-continue]");
  if (onward && at("popup")) location.replace(onward.href);
  if (at("done")) window.close();
})();
