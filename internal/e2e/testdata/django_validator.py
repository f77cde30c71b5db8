"""What the provider of django_provider.py says of its users, in a module of its
own because the toolkit imports it once the settings are there."""

from oauth2_provider.oauth2_validators import OAuth2Validator


class Validator(OAuth2Validator):
    oidc_claim_scope = None  # tells all claims, whatever the scope

    def get_additional_claims(self, request):
        return {
            "name": request.user.get_full_name(),
            "preferred_username": request.user.username,
            "email": request.user.email,
            "email_verified": True,
        }
