"""Python's authlib, as gradio and huggingface_hub use it: with Starlette, by
the provider's metadata, without PKCE, and with the target in the redirect URI.
Routes and answers as doc.go says."""

import os
import socket

import uvicorn
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.starlette_client import OAuth
from authlib.integrations.httpx_client import AsyncOAuth2Client
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

ISSUER = os.environ["OPENID_PROVIDER_URL"]

oauth = OAuth()
hub = oauth.register(
    name="huggingface",
    client_id=os.environ["OAUTH_CLIENT_ID"],
    client_secret=os.environ["OAUTH_CLIENT_SECRET"],
    client_kwargs={"scope": os.environ["OAUTH_SCOPES"]},
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
)
sessions = {}  # tokens, by the ID of the user: too large for Starlette's cookie


async def login(request):
    redirect_uri = request.url_for("callback").include_query_params(_target_url="/me")
    return await hub.authorize_redirect(request, str(redirect_uri))


async def callback(request):
    token = await hub.authorize_access_token(request)
    request.session["sub"] = token["userinfo"]["sub"]
    sessions[request.session["sub"]] = token
    return RedirectResponse(request.query_params["_target_url"], 302)


async def refresh(request):
    token = sessions[request.session["sub"]]
    metadata = await hub.load_server_metadata()
    async with AsyncOAuth2Client(hub.client_id, hub.client_secret) as client:
        renewed = await client.refresh_token(metadata["token_endpoint"], token["refresh_token"])
    sessions[request.session["sub"]] = {**token, **renewed}
    return await me(request)


async def me(request):
    token = sessions[request.session["sub"]]
    whoami = await hub.get(ISSUER + "/api/whoami-v2", token=token)
    whoami.raise_for_status()
    return JSONResponse(
        {
            "claims": token["userinfo"],
            "userinfo": await hub.userinfo(token=token),
            "scope": token["scope"],
            "accessToken": token["access_token"],
            "whoami": whoami.json(),
        }
    )


async def failed(_, error):
    return JSONResponse({"error": str(error)}, 400)


app = Starlette(
    routes=[
        Route("/login", login),
        Route("/callback", callback, name="callback"),
        Route("/me", me),
        Route("/refresh", refresh, methods=["POST"]),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key="of no use to anyone")],
    exception_handlers={OAuthError: failed},
)

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://localhost:{listener.getsockname()[1]}", flush=True)
    uvicorn.run(app, fd=listener.fileno(), log_level="error")
