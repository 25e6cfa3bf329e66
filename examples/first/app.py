"""A shop of one file that keeps its sessions in the memory of each replica, as many first versions do."""

import secrets

from flask import Flask, abort, request

app = Flask(__name__)
sessions = {}


def session():
    """What this replica remembers of the user."""
    found = sessions.get(request.cookies.get("session"))
    if found is None:
        abort(401)
    return found


@app.get("/healthz")
def healthz():
    return "ok"


@app.post("/login")
def log_in():
    key = secrets.token_urlsafe()
    sessions[key] = {"user": request.form["user"], "cart": {}}
    answer = app.make_response({"user": request.form["user"]})
    answer.set_cookie("session", key, httponly=True)
    return answer


@app.post("/cart")
def add():
    cart = session()["cart"]
    product = str(request.get_json()["id"])
    cart[product] = cart.get(product, 0) + 1
    return cart


@app.get("/cart")
def cart():
    return session()["cart"]
