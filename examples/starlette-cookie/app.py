"""A shop whose session Starlette's SessionMiddleware signs and the browser keeps in a cookie."""

from starlette.applications import Starlette
from starlette.config import Config
from starlette.datastructures import Secret
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

config = Config()
SECRET_KEY = config("SECRET_KEY", cast=Secret)


async def healthz(request):
    return PlainTextResponse("ok")


async def login_page(request):
    return HTMLResponse("""
        <form method="post">
            <p><input type="text" name="username">
            <p><input type="password" name="password">
            <p><input type="submit" value="Log in">
        </form>
    """)


async def login(request):
    async with request.form() as form:
        request.session.clear()
        request.session["username"] = form["username"]
        request.session["cart"] = {}
    return RedirectResponse("/cart", status_code=303)


def logged_in(request):
    if "username" not in request.session:
        raise HTTPException(status_code=401)
    return request.session


async def add_to_cart(request):
    session = logged_in(request)
    async with request.form() as form:
        product = form["product"]
    cart = session["cart"]
    session["cart"] = {**cart, product: cart.get(product, 0) + 1}
    return JSONResponse({"cart": session["cart"]}, status_code=201)


async def show_cart(request):
    session = logged_in(request)
    return JSONResponse({"username": session["username"], "cart": session["cart"]})


async def logout(request):
    request.session.clear()
    return RedirectResponse("/login", status_code=303)


app = Starlette(
    routes=[
        Route("/healthz", healthz),
        Route("/login", login_page),
        Route("/login", login, methods=["POST"]),
        Route("/cart", add_to_cart, methods=["POST"]),
        Route("/cart", show_cart),
        Route("/logout", logout, methods=["POST"]),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key=SECRET_KEY)],
)
