"""The requests that Python's huggingface_hub makes for "hf auth login" and
afterwards. It is not huggingface_hub, which Debian does not have: it is written
from the same facts as the stand-in, and so proves less than the clients that
others wrote. It prints a line of JSON for each thing that happens."""

import json
import os
import sys
import time

import httpx

ENDPOINT = os.environ["OPENID_PROVIDER_URL"]  # HF_ENDPOINT
CLIENT_ID = os.environ["OAUTH_CLIENT_ID"]
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def token(**form):
    return httpx.post(ENDPOINT + "/oauth/token", data={"client_id": CLIENT_ID, **form}).json()


def whoami(access_token):
    answer = httpx.get(ENDPOINT + "/api/whoami-v2", headers={"authorization": "Bearer " + access_token})
    answer.raise_for_status()
    return answer.json()


def account(answer):
    return {"scope": answer["scope"], "accessToken": answer["access_token"], "whoami": whoami(answer["access_token"])}


def login():
    answer = httpx.post(ENDPOINT + "/oauth/device", data={"client_id": CLIENT_ID})  # no scope
    answer.raise_for_status()
    device = answer.json()
    say("code", uri=device["verification_uri"], code=device["user_code"], interval=device.get("interval"))
    while True:  # asks at once, then sleeps
        answer = token(grant_type=DEVICE_GRANT, device_code=device["device_code"])
        if "access_token" in answer:
            return answer
        say("waiting", error=answer["error"])
        if answer["error"] not in ("authorization_pending", "slow_down"):
            sys.exit(0)
        time.sleep(device.get("interval", 5))


answer = login()
say("account", **account(answer))
say("refreshed", **account(token(grant_type="refresh_token", refresh_token=answer["refresh_token"])))
