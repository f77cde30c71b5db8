"""A Flask app that signs its users in with authlib, both from Debian's packages
(python3-flask, python3-authlib, python3-requests). The variables are those that
a Space sets; SECRET_KEY is a secret of the app, which signs the session's
cookie: everyone can read what is in there, so no token is."""

import os
import secrets

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, render_template_string, session, url_for
from werkzeug.serving import make_server

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_hex()
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
hub = OAuth(app).register(
    name="huggingface",
    client_id=os.environ["OAUTH_CLIENT_ID"],
    client_secret=os.environ["OAUTH_CLIENT_SECRET"],
    server_metadata_url=os.environ["OPENID_PROVIDER_URL"] + "/.well-known/openid-configuration",
    client_kwargs={"scope": os.environ["OAUTH_SCOPES"], "code_challenge_method": "S256"},
)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>A Flask app with authlib</title>
</head>
<body>
<main>
<h1>A Flask app with authlib</h1>
{% if user %}<p>Hello, {{ user.name }} ({{ user.preferred_username }}).</p>
<form method="post" action="/logout"><button>Sign out</button></form>
{% else %}<p>You are not signed in.</p>
<p><a href="/login">Sign in with Hugging Face</a></p>{% endif %}
</main>
</body>
</html>
"""


@app.get("/")
def home():
    return render_template_string(PAGE, user=session.get("user"))


@app.get("/login")
def login():
    return hub.authorize_redirect(url_for("callback", _external=True))


@app.get("/login/callback")
def callback():
    token = hub.authorize_access_token()
    session["user"] = {name: token["userinfo"][name] for name in ("sub", "name", "preferred_username")}
    return redirect("/")


@app.post("/logout")
def logout():
    session.clear()
    return redirect("/")


@app.get("/private")
def private():
    if "user" not in session:
        return "Please sign in at /login.", 401
    return session["user"]


@app.errorhandler(OAuthError)
def failed(error):
    return f"Sign-in failed: {error.error}. Try again at /login.", 403, {"content-type": "text/plain"}


if __name__ == "__main__":
    server = make_server("localhost", int(os.environ.get("PORT", "3000")), app, threaded=True)
    print(f"http://localhost:{server.server_port}", flush=True)
    server.serve_forever()
