"""A user of the shop, and what the shop promises: run by `statefall run rollout.yaml`."""

from statefall.load import Shopper, counter, task


class Buyer(Shopper):
    cart = counter()  # product -> quantity

    def log_in(self):  # begins a session; again after a loss
        self.post("/login", data={"user": self.user.name, "password": "x"})

    @task(3)
    def add(self):
        product = self.random.randint(1, 100)
        self.post("/cart", json={"id": product}, writes=self.cart.add(product, 1))

    @task(5)
    def look(self):
        self.cart.shows(self.get("/cart").json())  # compared with everything acknowledged

    def knows_me(self, answer):
        return answer.status != 401
