"""Every setting, read from the environment. `.env.example` lists the variables with meaning and default."""

from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from panel import environment as read
from panel.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
# What a process writes to its own disk (mail without a server, the beat schedule, collected static files).
STATE_DIR = Path(read.text("STATE_DIR", str(BASE_DIR / "var")))

# --- The start -----------------------------------------------------------------------------------------
INSECURE_SECRET_KEY = "insecure-only-for-a-developer-who-set-debug"  # noqa: S105  # not a secret: refused by E001
DEBUG = read.switch("DEBUG", False)
SECRET_KEY = read.text("SECRET_KEY", INSECURE_SECRET_KEY)  # panel.E001 refuses the default without DEBUG
FIELD_KEYS = read.fernet_keys("FIELD_KEYS")  # panel.E002 refuses none

SITE_NAME = read.text("SITE_NAME", "Headwater")
BIND = read.text("BIND", "127.0.0.1")
PORT = read.whole_number("PORT", 8000, at_least=1, at_most=65535)
SITE_URL = read.site_url("SITE_URL", f"http://127.0.0.1:{PORT}")
SITE_IS_HTTPS = SITE_URL.startswith("https://")
_site_host = urlsplit(SITE_URL).hostname or "127.0.0.1"
ALLOWED_HOSTS = read.words("ALLOWED_HOSTS", f"{_site_host},localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = [SITE_URL]
# How many reverse proxies stand in front; 0 means that X-Forwarded-For is anybody's claim and is not read.
TRUSTED_PROXIES = read.whole_number("TRUSTED_PROXIES", 0, at_most=10)

# --- The product ---------------------------------------------------------------------------------------
CURRENCY = read.currency("CURRENCY", "USD")
STATUS_CONFIRM_SECONDS = read.whole_number("STATUS_CONFIRM_SECONDS", 60)
UNKNOWN_QUARANTINE_SECONDS = read.whole_number("UNKNOWN_QUARANTINE_SECONDS", 900)
API_RATE_LIMITS = read.switch("API_RATE_LIMITS", True)
PROVIDER_ALLOWED_PRIVATE = read.host_ports("PROVIDER_ALLOWED_PRIVATE")
METRICS_TOKEN = read.text("METRICS_TOKEN", "")

# --- Processes -----------------------------------------------------------------------------------------
WEB_WORKERS = read.whole_number("WEB_WORKERS", 2, at_least=1, at_most=256)
WEB_THREADS = read.whole_number("WEB_THREADS", 8, at_least=1, at_most=256)
WORKER_PROCESSES = read.whole_number("WORKER_PROCESSES", 1, at_least=1, at_most=64)
WORKER_THREADS = read.whole_number("WORKER_THREADS", 32, at_least=2, at_most=1024)

INSTALLED_APPS = [
    "panel",
    "customers",
    "providers",
    "orders",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    "csp",
    "django_htmx",
]

MIDDLEWARE = [
    "panel.middleware.client_address",
    "panel.middleware.request_log",
    "panel.compressing.Compression",  # outside of whatever writes into an answer, inside of what times it
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # deny by default
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "panel.reader.language",
    "panel.viewing.ReadOnlyView",
    "panel.reader.time_zone",
    "panel.reader.second_factor",
    "panel.gates.maintenance",
    "panel.gates.terms",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "panel.urls"
WSGI_APPLICATION = "panel.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "panel.context.site",
                "panel.shell.context",
            ],
        },
    },
]
FORM_RENDERER = "panel.rendering.PanelRenderer"  # a form field looks as templates/parts/field.html says

# --- Data ----------------------------------------------------------------------------------------------
# Threads keep their connection; a health check replaces one that a restarted database dropped. No statement
# of a page or a task may hang for ever; management commands set the first limit to 0 (manage.py).
_limits = {
    "statement_timeout": read.whole_number("DB_STATEMENT_TIMEOUT_MS", 60_000),
    "lock_timeout": 10_000,
    "idle_in_transaction_session_timeout": 60_000,
    "jit": "off",  # compiling a statement takes longer than running any of ours
}
DATABASES = {
    "default": read.database("DATABASE_URL", "postgres://headwater@127.0.0.1:5432/headwater")
    | {
        "ENGINE": "panel.postgresql",
        "CONN_MAX_AGE": 300,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {
            "connect_timeout": 5,
            "application_name": "headwater",
            "options": " ".join(f"-c {name}={value}" for name, value in _limits.items()),
        },
    }
}
# Off where a pooler gives one connection to several clients in turn (customers/prepared.py).
DB_PREPARED_STATEMENTS = read.switch("DB_PREPARED_STATEMENTS", True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = read.redis_url("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "panel.cache.ForgivingRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "headwater",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }
}

# --- People and sessions -------------------------------------------------------------------------------
AUTH_USER_MODEL = "customers.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

ACCOUNT_ADAPTER = "customers.account_adapter.AccountAdapter"
EMAIL_DENIED = "providers.denying_orders.email_denied"  # asked before an account gets an address
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]  # one password with a button to show it
ACCOUNT_FORMS = {
    "login": "customers.account_forms.LoginForm",
    "signup": "customers.account_forms.SignupForm",
    "add_email": "customers.account_forms.AddEmailForm",
    "change_email": "customers.account_forms.ChangeEmailForm",
    "change_password": "customers.account_forms.ChangePasswordForm",
    "set_password": "customers.account_forms.SetPasswordForm",
    "reset_password": "customers.account_forms.ResetPasswordForm",
    "reset_password_from_key": "customers.account_forms.ResetPasswordKeyForm",
    "reauthenticate": "customers.account_forms.ReauthenticateForm",
}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CHANGE_EMAIL = True  # one address per account; the old one counts until the new one is confirmed
ACCOUNT_EMAIL_SUBJECT_PREFIX = f"{SITE_NAME}: "
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_SESSION_REMEMBER = None  # the person says: until the browser closes, or SESSION_COOKIE_AGE
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SITE_IS_HTTPS else "http"
# Per person the lock below counts (and says until when); this one slows a single address trying many people.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip"}
USERSESSIONS_ADAPTER = "customers.security_trail.UserSessionsAdapter"
MFA_ADAPTER = "customers.account_adapter.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = SITE_NAME
MFA_FORMS = {
    "authenticate": "customers.account_forms.AuthenticateForm",
    "reauthenticate": "customers.account_forms.MfaReauthenticateForm",
    "activate_totp": "customers.account_forms.ActivateTOTPForm",
}

# A guesser is locked out per person and address; the rows live in PostgreSQL, so a dead Redis opens no door.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "panel.lockout.username"
AXES_CLIENT_IP_CALLABLE = "panel.lockout.address"
AXES_LOCKOUT_CALLABLE = "panel.lockout.response"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # the page names a time, and it stays true
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

SESSION_COOKIE_AGE = 30 * 24 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SITE_IS_HTTPS
CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
CSRF_COOKIE_HTTPONLY = True  # pages send the token from the form or from <body hx-headers>
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- What a browser may do -----------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = SITE_IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^metrics$"]  # asked over plain HTTP from inside
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SITE_IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = False  # other hosts of the domain are not ours to bind
SECURE_HSTS_PRELOAD = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

# --- Words, times, files -------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = read.languages("LANGUAGES", "en,de")
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Where `collectstatic` puts the files under hashed names (the Dockerfile does). Unset, as under ./run and ./test,
# WhiteNoise serves them from where they lie.
STATIC_ROOT = read.text("STATIC_ROOT", "") or None
WHITENOISE_USE_FINDERS = not STATIC_ROOT
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 0 if DEBUG else 300
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- Mail ----------------------------------------------------------------------------------------------
EMAIL_URL_IS_SET = bool(
    read.text("EMAIL_URL", "")
)  # unset: a banner tells admins that mail stays in a folder
DEFAULT_FROM_EMAIL = SERVER_EMAIL = read.text("DEFAULT_FROM_EMAIL", f"{SITE_NAME} <no-reply@{_site_host}>")
if EMAIL_URL_IS_SET:
    _mail = read.email("EMAIL_URL")
    EMAIL_BACKEND = str(_mail["EMAIL_BACKEND"])
    EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"] or "", _mail["EMAIL_HOST_PASSWORD"] or ""
    EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
    EMAIL_FILE_PATH = _mail["EMAIL_FILE_PATH"]
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(STATE_DIR / "mail")
EMAIL_TIMEOUT = 10

# --- Logs and errors -----------------------------------------------------------------------------------
LOG_LEVEL = read.text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR"):
    raise ImproperlyConfigured(f"LOG_LEVEL is {LOG_LEVEL!r}; it must be DEBUG, INFO, WARNING or ERROR.")
LOGGING = logging_config(LOG_LEVEL)
SENTRY_DSN = read.text("SENTRY_DSN", "")

SILENCED_SYSTEM_CHECKS = [
    # HSTS for sub-domains and preloading bind hosts that are not the panel's: the operator's proxy decides.
    "security.W005",
    "security.W021",
    # User.email is unique by a constraint on lower(email), which this check does not see.
    "auth.W004",
]
if not SITE_IS_HTTPS:
    # A panel on plain http (the demo) cannot have secure cookies; panel.W003 says so in one line instead.
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W008", "security.W012", "security.W016"]
