"""Twenty people of the demo, and the operator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in."""

    first_name: str
    last_name: str
    is_operator: bool = False

    @property
    def email(self) -> str:
        """The address in the sandbox's mailbox."""
        return f"{self.first_name}.{self.last_name}@threadly.example".lower()

    @property
    def metadata(self) -> dict[str, dict[str, str]]:
        """What Clerk keeps about their role."""
        return {"public_metadata": {"role": "operator"}} if self.is_operator else {}


OPERATOR = Person("Olga", "Operator", is_operator=True)
PEOPLE = tuple(
    Person(first, last)
    for first, last in (full.split() for full in (
        "Ada Moreau", "Ben Okafor", "Carla Jensen", "Dario Conti", "Elif Yilmaz", "Finn Larsen", "Greta Vogel",
        "Hugo Marchetti", "Iris Nowak", "Jonas Berg", "Kira Petrova", "Leo Fischer", "Mina Sato", "Noor Haddad",
        "Oscar Lindqvist", "Paula Reyes", "Quinn Doyle", "Rosa Almeida", "Samir Khan", "Tilda Svensson",
    ))
)  # fmt: skip
