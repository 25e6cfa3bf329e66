"""A shop whose session is Flask's own: signed, and kept by the browser in a cookie."""

from functools import wraps

from flask import Flask, redirect, request, session, url_for

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_SECRET_KEY


def login_required(view):
    @wraps(view)
    def wrapped_view(**kwargs):
        if "username" not in session:
            return redirect(url_for("login"))
        return view(**kwargs)

    return wrapped_view


@app.get("/healthz")
def healthz():
    return "ok"


@app.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "POST":
        session.clear()
        session["username"] = request.form["username"]
        session["cart"] = {}
        return redirect(url_for("show_cart"))
    return """
        <form method="post">
            <p><input type="text" name="username">
            <p><input type="password" name="password">
            <p><input type="submit" value="Log in">
        </form>
    """


@app.post("/cart")
@login_required
def add_to_cart():
    cart, product = session["cart"], request.form["product"]
    cart[product] = cart.get(product, 0) + 1
    session.modified = True  # a change inside a value is not seen by itself
    return {"cart": cart}, 201


@app.get("/cart")
@login_required
def show_cart():
    return {"username": session["username"], "cart": session["cart"]}


@app.post("/logout")
def logout():
    session.clear()
    return redirect(url_for("login"))
