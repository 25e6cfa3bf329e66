"""A shopper of the small shop, with a promise of each kind."""

from __future__ import annotations

from statefall.load import Reply, Shopper, counter, element_set, identity, log, register, task

WINDOW = 8


class Buyer(Shopper):
    """Writes somewhat more than it reads; each answer shows everything."""

    cart = counter({})
    title = register(None)
    wishes = element_set(())
    said = log(WINDOW, empty=True)
    me = identity(lambda user: user.name)
    number = 0

    def log_in(self) -> None:
        """Begin a session."""
        self.post("/login", json={"user": self.user.name})

    def held_to(self, answer: Reply) -> None:
        """Compare all that an answer shows."""
        page = answer.json()
        self.me.shows(page["user"], answer)
        self.cart.shows(page["cart"], answer)
        self.title.shows(page["name"], answer)
        self.wishes.shows(page["wishes"], answer)
        self.said.shows(page["said"], answer)

    @task(4)
    def add(self) -> None:
        """Pieces of one of fifty products."""
        product, pieces = str(self.random.randrange(50)), self.random.randint(1, 3)
        write = self.cart.add(product, pieces)
        self.held_to(self.post("/cart", json={"id": product, "pieces": pieces}, writes=write))

    @task(2)
    def rename(self) -> None:
        """Another name each time."""
        self.number += 1
        name = f"{self.user.name}-{self.number}"
        self.held_to(self.post("/name", json={"name": name}, writes=self.title.set(name)))

    @task(1)
    def wish(self) -> None:
        """One of thirty wishes."""
        wish = f"wish {self.random.randrange(30)}"
        self.held_to(self.post("/wishes", json={"wish": wish}, writes=self.wishes.add(wish)))

    @task(2)
    def say(self) -> None:
        """Another text each time."""
        self.number += 1
        text = f"{self.user.name}: {self.number}"
        self.held_to(self.post("/said", json={"text": text}, writes=self.said.append(text)))

    @task(2)
    def in_two_tabs(self) -> None:
        """A write over another connection."""
        with self.tab() as other:
            other.post("/cart", json={"id": "tab", "pieces": 1}, writes=self.cart.add("tab", 1))
            self.held_to(self.get("/account"))

    @task(6)
    def look(self) -> None:
        """Everything."""
        self.held_to(self.get("/account"))

    def audit(self) -> None:
        """Everything."""
        self.held_to(self.get("/account"))
