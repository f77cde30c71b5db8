"""A Django project that is a provider by Django OAuth Toolkit, at the address
ISSUER and listening on PORT, with the user ada. It keeps everything in the
directory DATA. Django's own redirect to the address with a slash is in the way
of discovery; with DISCOVERY=mended the project has a route without it."""

import os
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, re_path
from jwcrypto import jwk


settings.configure(
    SECRET_KEY="of no use to anyone",
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {"registration/login.html": '<form method="post">{% csrf_token %}{{ form }}</form>'},
                    ),
                    "django.template.loaders.app_directories.Loader",
                ]
            },
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATA"] + "/db.sqlite3"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    LOGIN_URL="/accounts/login/",
    USE_TZ=True,
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": os.environ["ISSUER"],
        "OIDC_RSA_PRIVATE_KEY": jwk.JWK.generate(kty="RSA", size=2048).export_to_pem(True, None).decode(),
        "OAUTH2_VALIDATOR_CLASS": "django_validator.Validator",
        "SCOPES": {"openid": "openid", "profile": "profile", "email": "email", "offline_access": "offline"},
        "ACCESS_TOKEN_EXPIRE_SECONDS": int(os.environ["TOKEN_LIFETIME"]),
        "ROTATE_REFRESH_TOKEN": True,
    },
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402, which needs the settings
from django.contrib.auth.views import LoginView  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402
from oauth2_provider.views import ConnectDiscoveryInfoView  # noqa: E402

urlpatterns = [
    re_path(r"^accounts/login/$", LoginView.as_view()),
    re_path(r"^", include("oauth2_provider.urls", namespace="oauth2_provider")),
]
if os.environ.get("DISCOVERY") == "mended":
    urlpatterns.insert(0, re_path(r"^\.well-known/openid-configuration$", ConnectDiscoveryInfoView.as_view()))

call_command("migrate", verbosity=0)
User.objects.create_user("ada", "ada@example.com", "the password", first_name="Ada", last_name="Lovelace")
Application.objects.create(
    client_id="web",
    client_secret=os.environ["CLIENT_SECRET"],
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
    algorithm=Application.RS256_ALGORITHM,
    redirect_uris=os.environ["REDIRECT_URI"],
    name="An app",
)


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


make_server("127.0.0.1", int(os.environ["PORT"]), get_wsgi_application(), handler_class=Quiet).serve_forever()
