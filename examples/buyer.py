"""The shopper of all these services: their routes are the same, whoever keeps their sessions."""

from statefall.load import Shopper, counter, register, task


class Buyer(Shopper):
    cart = counter()  # product -> quantity
    name = register()

    def log_in(self):
        form = self.get("/login").form()
        typed = {"username": self.user.name, "password": "x"}
        # Django's pages hold a token against forged requests, which each form has to bring along.
        self.hidden = {name: value for name, value in form.fields.items() if name not in typed}
        self.post("/login", data={**self.hidden, **typed}, writes=self.name.set(self.user.name))

    @task(3)
    def add(self):
        product = str(self.random.randint(1, 100))
        self.post("/cart", data={**self.hidden, "product": product}, writes=self.cart.add(product, 1))

    @task(5)
    def look(self):
        shown = self.get("/cart").json()
        self.name.shows(shown["username"])
        self.cart.shows(shown["cart"])
