"""The same shopper, put on a locustfile that was there before: `locust -f locustfile.py --host URL`."""

import re

from locust import FastHttpUser, between, task

from statefall.load import WithPromises, counter, register


class Buyer(WithPromises, FastHttpUser):
    wait_time = between(0.5, 2)
    cart = counter()  # product -> quantity
    name = register()

    def on_start(self):  # begins a session; again after a loss
        page = self.client.get("/login").text
        self.hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', page))
        typed = {"username": self.user.name, "password": "x"}
        self.client.post("/login", data={**self.hidden, **typed}, writes=self.name.set(self.user.name))

    @task(3)
    def add(self):
        product = str(self.random.randint(1, 100))
        typed = {**self.hidden, "product": product}
        self.client.post("/cart", data=typed, writes=self.cart.add(product, 1))

    @task(5)
    def look(self):
        shown = self.client.get("/cart").json()
        self.name.shows(shown["username"])
        self.cart.shows(shown["cart"])
