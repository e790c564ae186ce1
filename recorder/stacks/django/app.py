"""A Django project in one file, with the stock login of django.contrib.auth and a view that keeps a value in the session.

The engine of the sessions comes from SESSION_ENGINE (db, cache, file, signed_cookies), the database from DATABASE, the name of the
node from NODE. Nothing of Django is changed, except for a quick password hasher, so that logins do not take the processor.
"""

import os
import secrets

import django
from django.conf import settings

FOLDER = os.environ.get("FOLDER", ".")
NODE = os.environ.get("NODE", "web")

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(32),
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends." + os.environ.get("SESSION_ENGINE", "db"),
    # With the engine `file`, each node has a folder of its own, as on two machines.
    SESSION_FILE_PATH=os.environ.get("SESSION_FILE_PATH") or None,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(FOLDER, "db.sqlite3"),
            "CONN_MAX_AGE": None,
            # Nothing is flushed to the disk: the kill of a process loses nothing by that, only the crash of the machine would.
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
            },
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    LOGIN_REDIRECT_URL="/",
    LOGOUT_REDIRECT_URL="/",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"],
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {
                            "registration/login.html": '<title>Log in</title><form method="post">{% csrf_token %}{{ form.as_p }}'
                            '<button type="submit">Log in</button></form>',
                            "home.html": '<title>Home</title>{% if user.is_authenticated %}<form method="post" action="{% url "logout" %}">'
                            '{% csrf_token %}<button>Log out</button></form>{% else %}<a href="{% url "login" %}">Log in</a>{% endif %}',
                        },
                    )
                ],
            },
        }
    ],
)
django.setup()

from django.contrib.auth.views import LoginView, LogoutView  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.shortcuts import render  # noqa: E402
from django.urls import path  # noqa: E402


def cart(request):
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    if request.method == "POST":
        request.session["cart"] = request.body.decode()
    return JsonResponse({"user": request.user.get_username(), "cart": request.session.get("cart")})


urlpatterns = [
    path("", lambda request: render(request, "home.html")),
    path("health", lambda request: HttpResponse("up")),
    path("cart", cart),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
]

django_application = get_wsgi_application()


def application(environ, start_response):
    """Says which node answers."""

    def start(status, headers, exc_info=None):
        return start_response(status, [*headers, ("x-node", NODE)], exc_info)

    return django_application(environ, start)


if __name__ == "__main__":
    # Creates the tables and the users of users.csv.
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with open(os.path.join(FOLDER, "users.csv")) as users:
        for line in users.read().split()[1:]:
            name, password = line.split(",")
            User.objects.create_user(name, password=password)
