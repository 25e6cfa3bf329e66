"""A shop in one file of Django; SESSION_ENGINE and CACHE_URL say where its sessions are kept.

python app.py migrate
gunicorn app:application
"""

import os
import sys
from functools import wraps
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

LOGIN_PAGE = """
<form method="post">
  {% csrf_token %}
  <p><input type="text" name="username">
  <p><input type="password" name="password">
  <p><input type="submit" value="Log in">
</form>
"""


def database(url):
    found = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": found.path.removeprefix("/"),
        "USER": found.username,
        "PASSWORD": unquote(found.password or ""),
        "HOST": found.hostname,
        "PORT": found.port,
        "CONN_MAX_AGE": 60,
    }


options = {}
if "DATABASE_URL" in os.environ:
    options["DATABASES"] = {"default": database(os.environ["DATABASE_URL"])}
if "CACHE_URL" in os.environ:
    # Without it, Django's default: a cache in the memory of each process.
    options["CACHES"] = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["CACHE_URL"],
        }
    }

settings.configure(
    SECRET_KEY=os.environ["SECRET_KEY"],
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.locmem.Loader", {"login.html": LOGIN_PAGE})],
            },
        }
    ],
    SESSION_ENGINE=f"django.contrib.sessions.backends.{os.environ['SESSION_ENGINE']}",
    **options,
)


def login_required(view):
    @wraps(view)
    def wrapped_view(request):
        if "username" not in request.session:
            return redirect("login")
        return view(request)

    return wrapped_view


@require_GET
def healthz(request):
    return HttpResponse("ok")


@require_http_methods(["GET", "POST"])
def login(request):
    if request.method == "POST":
        request.session.flush()
        request.session["username"] = request.POST["username"]
        request.session["cart"] = {}
        return redirect("cart")
    return render(request, "login.html")


@login_required
@require_http_methods(["GET", "POST"])
def cart(request):
    if request.method == "POST":
        products, product = request.session["cart"], request.POST["product"]
        products[product] = products.get(product, 0) + 1
        request.session.modified = True  # a change inside a value is not seen by itself
        return JsonResponse({"cart": products}, status=201)
    return JsonResponse({"username": request.session["username"], "cart": request.session["cart"]})


@require_POST
def logout(request):
    request.session.flush()
    return redirect("login")


urlpatterns = [
    path("healthz", healthz),
    path("login", login, name="login"),
    path("cart", cart, name="cart"),
    path("logout", logout),
]

application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
