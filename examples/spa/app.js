// The front end. It learns who is signed in only from the API: the session is in a
// cookie that scripts cannot read, and the access token stays on the server.

const element = (id) => document.getElementById(id);
const text = element("text");
let sub = null; // the user's stable ID, once known

const say = (message) => { element("status").textContent = message; };

// trying runs a user's action and shows what went wrong.
const trying = async (action) => {
  try {
    await action();
  } catch (problem) {
    say(problem.message);
  }
};

// api calls the server and returns its JSON. A session can end at any moment, so
// every 401 leads to the signed-out view.
const api = async (method, path, input) => {
  const headers = { Accept: "application/json" };
  if (input) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: input && JSON.stringify(input) })
    .catch(() => { throw new Error("The server cannot be reached. Try again."); });
  if (response.status === 401) throw new Error(showSignedOut());
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `The server answers ${response.status}. Try again.`);
  return answer;
};

// A draft survives signing in again, for its author only.
const draft = {
  key: () => `draft of ${sub}`,
  save() { try { sessionStorage.setItem(draft.key(), text.value); } catch { /* the browser keeps nothing here */ } },
  load() { try { return sessionStorage.getItem(draft.key()) || ""; } catch { return ""; } },
  remove() { try { sessionStorage.removeItem(draft.key()); } catch { /* nor anything to remove */ } },
};

// showSignedOut hides the user's data, except a text being written, and returns the
// message to show.
const showSignedOut = () => {
  const link = element("sign-in");
  link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  element("signed-in").hidden = true;
  element("notes").hidden = true;
  element("list").replaceChildren();
  element("write").hidden = text.value === "";
  element("signed-out").hidden = false;
  if (sub === null) return "You are not signed in.";
  link.focus();
  return text.value === "" ? "Your session has ended. Sign in to go on." : "Your session has ended. Sign in to go on; what you wrote is kept.";
};

const showSignedIn = (user, notes) => {
  sub = user.sub;
  element("name").textContent = user.name;
  element("username").textContent = `(${user.preferred_username})`;
  if (user.picture) element("picture").src = user.picture;
  element("picture").hidden = !user.picture;
  for (const note of notes) showNote(note);
  text.value = draft.load();
  for (const id of ["signed-in", "write", "notes"]) element(id).hidden = false;
  say("");
};

// showNote puts a note on top of the list, once.
const showNote = (note) => {
  if (element(note.id)) return;
  const item = document.createElement("li");
  const content = document.createElement("p");
  const button = document.createElement("button");
  item.id = note.id;
  content.textContent = note.text;
  button.textContent = "Delete";
  button.setAttribute("aria-label", `Delete: ${note.text}`);
  button.addEventListener("click", () => trying(async () => {
    await api("DELETE", `/api/notes/${encodeURIComponent(note.id)}`);
    item.remove();
    text.focus();
    say("Deleted.");
  }));
  item.append(content, button);
  element("list").prepend(item);
};

// follow shows what other tabs and devices of the user change, and notices when
// the session ends: asking the API then leads to the signed-out view.
const follow = () => {
  const events = new EventSource("/api/events");
  const ended = () => {
    events.close();
    trying(() => api("GET", "/api/me"));
  };
  events.addEventListener("message", (event) => {
    const notes = JSON.parse(event.data);
    for (const item of [...element("list").children]) {
      if (!notes.some((note) => note.id === item.id)) item.remove();
    }
    notes.forEach(showNote);
  });
  events.addEventListener("end", ended);
  events.addEventListener("error", () => { if (events.readyState === EventSource.CLOSED) ended(); });
};

text.addEventListener("input", draft.save);

element("write").addEventListener("submit", (event) => {
  event.preventDefault();
  if (text.readOnly) return; // being sent
  text.readOnly = true;
  trying(async () => {
    showNote(await api("POST", "/api/notes", { text: text.value }));
    text.value = "";
    draft.remove();
    text.focus();
    say("Added.");
  }).finally(() => { text.readOnly = false; });
});

element("sign-out").addEventListener("submit", draft.remove);

// The signed-in user may have changed since the browser kept this page for "Back".
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

trying(async () => {
  say("Loading…");
  const [user, notes] = [await api("GET", "/api/me"), await api("GET", "/api/notes")];
  showSignedIn(user, notes);
  follow();
});
