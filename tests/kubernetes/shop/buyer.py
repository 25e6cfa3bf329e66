from statefall.load import Shopper, counter, task


class Buyer(Shopper):
    cart = counter()

    def log_in(self) -> None:
        self.post("/login")

    @task(2)
    def add(self) -> None:
        product = self.random.randint(1, 100)
        self.post("/cart", json={"id": product}, writes=self.cart.add(product, 1))

    @task(3)
    def look(self) -> None:
        self.cart.shows(self.get("/cart").json())
