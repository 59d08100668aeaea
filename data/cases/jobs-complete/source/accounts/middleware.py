"""Who is asking? `Authorization: Token <key>`, looked up for each request."""

from django.http import JsonResponse

from accounts.models import ApiToken

OPEN_PATHS = ("/healthz",)


class TokenMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path in OPEN_PATHS:
            return self.get_response(request)
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        token = None
        if scheme == "Token":
            token = ApiToken.objects.select_related("user").filter(key=key).first()
        if token is None:
            return JsonResponse({"error": "a valid token is needed"}, status=401)
        request.user = token.user
        request.META["USER_NAME"] = token.user.name
        return self.get_response(request)
