// Sign-in with Hugging Face inside an iframe. See docs/spaces.md.
//
// If the browser blocks third-party cookies, the tab that signs in and the iframe
// have different cookies. They cannot exchange messages either: the Hub's pages
// isolate tabs (Cross-Origin-Opener-Policy). So the iframe keeps a secret, posts
// its hash to our own origin in a new tab, and then claims from the server the
// session that was signed in there for this hash.
//
// A page may contain its users' HTML. An element's name or id can shadow a property
// of document (<img name=currentScript>) or of a form, so both are only accessed
// through functions of their prototypes, and all addresses come from the server,
// which fills in CLIENT.
((client) => {
  "use strict";
  const { login, frame, home, translated } = client;
  const clients = (window[Symbol.for("hfoauth")] ??= []); // no element can take this name
  if (clients.includes(login)) return;
  clients.push(login);

  const create = (name, properties) => Object.assign(Document.prototype.createElement.call(document, name), properties);
  const find = (selector) => Document.prototype.querySelector.call(document, selector);
  const findAll = (selector) => Document.prototype.querySelectorAll.call(document, selector);

  // An element belongs to the Client whose login path it names or, if it names
  // none, to the first Client on the page.
  const named = `[data-hfoauth-login="${login}"]:not(form)`;
  const ours = clients[0] === login ? `${named}, [data-hfoauth-login]:not([data-hfoauth-login^="/"]):not(form)` : named;
  const native = "a[href], button, input, summary";

  const framed = window.self !== window.top;
  const minutes = 60 * 1000;
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const base64url = (bytes) =>
    btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  // The address of a private Space's iframe authenticates the visitor (__sign).
  // The platform requires it in a new tab as well: it is only put in the address
  // that a form posts to, never in a link, in next or in markup.
  const isSign = (pair) => /^__sign(=|$)/.test(pair);
  const pairs = (search) => search.slice(1).split("&");
  const unsigned = (search) => "?" + pairs(search).filter((pair) => !isSign(pair)).join("&");
  const signed = (url) => {
    url.search = [...pairs(url.search), ...pairs(location.search).filter(isSign)].filter(Boolean).join("&");
    return url;
  };

  const post = async (path, fields) => {
    const response = await fetch(frame + path, { method: "POST", body: new URLSearchParams(fields), credentials: "same-origin" });
    if (!response.ok) throw new Error(response.status);
    return response.json();
  };

  // postInNewWindow works even if window.open would not return the tab.
  const postInNewWindow = (path, fields) => {
    const form = create("form", { method: "post", action: signed(new URL(frame + path, location.href)), target: "_blank", hidden: true });
    for (const [name, value] of Object.entries(fields)) form.append(create("input", { type: "hidden", name, value }));
    find("body").append(form);
    form.submit();
    form.remove();
  };

  // Sentences are in English here; the server has them in the user's language.
  let words = {};
  if (translated) fetch(frame + "text", { credentials: "same-origin" }).then((response) => response.json()).then((text) => { words = text; }).catch(() => {});
  const inWords = (english) => words[english] ?? english;

  // say shows a text and a control next to the button. Screen readers announce
  // changes only in an element that already exists.
  const statuses = new WeakMap();
  const say = async (button, text, help) => {
    let status = statuses.get(button);
    if (!status?.isConnected) {
      status = create("span", { className: "hfoauth-status" });
      status.setAttribute("role", "status");
      statuses.set(button, status);
      button.after(status);
      await wait(100);
    }
    status.textContent = text;
    if (help) status.append(" ", help);
  };

  // nextOf returns where to continue: on this site, whatever the attribute says.
  const nextOf = (button) => {
    try {
      const next = new URL(button.dataset.hfoauthNext || location.href, location.href);
      next.search = unsigned(next.search);
      if (next.origin === location.origin && next.protocol === location.protocol) return next;
    } catch { /* not an address */ }
    return new URL(home, location.href);
  };
  const pathOf = (url) => url.pathname + url.search + url.hash;

  // goOn loads a page even if it is this one or a part of it.
  const goOn = (next) => {
    signed(next);
    if (next.pathname !== location.pathname || next.search !== location.search) return location.replace(next);
    history.replaceState(null, "", next);
    location.reload();
  };

  // The secret is made in advance: a click can only open a tab immediately.
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
    const open = () => postInNewWindow("popup", { challenge, next: pathOf(next), options: button.dataset.hfoauthOptions || "" });
    open();
    const again = create("button", { type: "button", className: "hfoauth-again", textContent: inWords("Open it again."), onclick: open });
    say(button, inWords("Complete sign-in in the tab that just opened. Didn't see it?"), again);
    await claim(button, mine, verifier, next);
  };

  // looked waits for a while, or until the user returns to this page: in pages in
  // the background, browsers delay timers by up to a minute.
  let look = () => {};
  for (const event of ["focus", "visibilitychange"]) addEventListener(event, () => look());
  const looked = (milliseconds) => new Promise((resolve) => { look = resolve; setTimeout(resolve, milliseconds); });

  // kept checks whether the browser kept the cookie, which Safari may not send
  // immediately (WebKit bug 66235).
  const kept = async () => {
    for (let asked = 0; asked < 3; asked++, await wait(500)) {
      if ((await post("check", {}).catch(() => ({ signedIn: true }))).signedIn) return true;
    }
    return false;
  };

  // claim requests the session until it exists. The tab cannot be observed. A click
  // on the button starts over at any time; one on the tab's error page continues
  // this attempt.
  const claim = async (button, mine, verifier, next) => {
    for (const end = Date.now() + 10 * minutes; Date.now() < end; await looked(1000)) {
      if (mine !== attempt) return;
      const answer = await post("claim", { verifier }).catch(() => ({}));
      if (answer.denied) say(button, inWords("Sign-in was cancelled."));
      if (!answer.signedIn) continue;
      if (await kept()) return goOn(next);
      const newTab = create("a", { href: next, textContent: inWords("Open it in a new tab."), target: "_blank", rel: "noopener" });
      say(button, inWords("Your browser does not let this page keep you signed in here."), newTab);
      return;
    }
    say(button, inWords("Sign-in took too long. Try again."));
  };

  for (const button of findAll(ours)) {
    if (button.matches(native)) continue;
    if (!button.hasAttribute("role")) button.setAttribute("role", "button");
    if (!button.hasAttribute("tabindex")) button.tabIndex = 0;
  }

  // closest returns our element that an event targets.
  const closest = (event) => event.target instanceof Element ? Element.prototype.closest.call(event.target, ours) : null;

  addEventListener("keydown", (event) => {
    const button = closest(event);
    if (event.key !== "Enter" && event.key !== " " || button !== event.target || button.matches(native)) return;
    event.preventDefault();
    button.click();
  });

  addEventListener("click", (event) => {
    const button = closest(event);
    if (!button || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (framed) {
      event.preventDefault();
      signIn(button);
    } else if (!button.href) {
      location.assign(`${login}?next=${encodeURIComponent(pathOf(nextOf(button)))}`);
    }
  });

  addEventListener("click", (event) => {
    if (event.target instanceof Element && Element.prototype.matches.call(event.target, "[data-hfoauth-close]")) window.close();
  });

  // Our first and last page in the tab that signs in. On any other page these
  // attributes may be in a user's HTML.
  const onward = find("a[data-hfoauth-continue]");
  if (onward && location.pathname === frame + "popup") location.replace(onward.href);
  if (location.pathname === frame + "done") window.close();
})(CLIENT);
